// One sound at a time.

let playing: HTMLAudioElement | null = null;

/** To be called before a sound begins: what plays elsewhere in the page is paused. */
export function playAlone(audio: HTMLAudioElement): void {
  if (playing && playing !== audio) playing.pause();
  playing = audio;
}
