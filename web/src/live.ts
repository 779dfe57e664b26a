// Polls while the page is visible.

/** Calls `look` now and every `seconds`, never concurrently and not while the page is hidden. Returns a function that stops it. */
export function lookEvery(seconds: number, look: () => Promise<unknown>): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let hasEnded = false;
  async function round() {
    if (!document.hidden) await look();
    if (!hasEnded) timer = setTimeout(() => void round(), seconds * 1000);
  }
  function shown() {
    if (document.hidden || timer === undefined) return;
    clearTimeout(timer);
    timer = undefined;
    void round();
  }
  document.addEventListener("visibilitychange", shown);
  void round();
  return () => {
    hasEnded = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", shown);
  };
}
