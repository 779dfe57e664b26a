// Where the service redirects to an object store, the store's address expires while the MP3 is open.

/** Requests an MP3 again that does not load, once at each position: the service then redirects to a new address. */
export class Reloader {
  readonly #audio: HTMLAudioElement;
  #triedAtS = -1;
  #isStalled = false;

  constructor(audio: HTMLAudioElement) {
    this.#audio = audio;
    audio.addEventListener("progress", () => (this.#isStalled = false));
    audio.addEventListener("stalled", () => {
      this.#isStalled = true;
      this.#reloadIfStarved();
    });
    audio.addEventListener("waiting", () => this.#reloadIfStarved());
  }

  /** Returns false if this position was tried before. */
  reload(): boolean {
    const { currentTime, paused } = this.#audio;
    if (currentTime === this.#triedAtS) return false;
    this.#triedAtS = currentTime;
    this.#isStalled = false;
    this.#audio.load();
    this.#audio.currentTime = currentTime;
    if (!paused) this.#audio.play().catch(() => undefined);
    return true;
  }

  /** Allows the position again: the user wants another try. */
  reset(): void {
    this.#triedAtS = -1;
  }

  // Chromium requests an expired address for minutes before it reports an error.
  #reloadIfStarved(): void {
    if (this.#isStalled && this.#audio.readyState < HTMLMediaElement.HAVE_FUTURE_DATA) this.reload();
  }
}
