// Plays one audio element at a time.

let playing: HTMLAudioElement | null = null;

/** Call this before playback starts: it pauses any other audio element. */
export function playAlone(audio: HTMLAudioElement): void {
  if (playing && playing !== audio) playing.pause();
  playing = audio;
}
