// Where the service redirects to an object store, the store's address expires while the MP3 is open.

/** Requests an MP3 again that could not be loaded: once at each position, as the next address may be good. */
export class Reloader {
  #failedAtS = -1;

  /** Returns false if the same position failed before. */
  reload(audio: HTMLAudioElement): boolean {
    const { currentTime, paused } = audio;
    if (currentTime === this.#failedAtS) return false;
    this.#failedAtS = currentTime;
    audio.load();
    audio.currentTime = currentTime;
    if (!paused) audio.play().catch(() => undefined);
    return true;
  }

  /** Allows the position again: the user wants another try. */
  reset(): void {
    this.#failedAtS = -1;
  }
}
