// Locks between the tabs of this browser. A lock becomes free when its tab is closed or crashes.
//
// Browsers have Web Locks on https and localhost only. On plain http, such as http://192.168.1.2, the tabs ask each
// other: a tab that hears no objection holds the lock.

const ANSWER_MS = 300;
/** A tab that crashed cannot say so. */
const AGAIN_MS = 2000;

interface Note {
  kind: "asked" | "taken" | "free";
  name: string;
  /** The tab that says so. */
  from: string;
  /** The tab that is answered. */
  to?: string;
}

/** Calls `act` as soon as this tab has the lock. Keeps the lock, or the place in the queue, until the signal aborts. */
export function hold(name: string, tab: string, signal: AbortSignal, act: () => void): void {
  const locks = (navigator as { locks?: LockManager }).locks;
  if (!locks) {
    holdByAsking(name, tab, signal, act);
    return;
  }
  const whole = `video2mp3 ${location.pathname} ${name}`;
  locks
    .request(whole, { signal }, () => {
      act();
      return aborted(signal);
    })
    .catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });
}

/** The same by messages between the tabs. The lock of a tab's own name is granted at once. */
export function holdByAsking(name: string, tab: string, signal: AbortSignal, act: () => void): void {
  const channel = new BroadcastChannel(`video2mp3 locks ${globalThis.location?.pathname ?? ""}`);
  let standing: "waiting" | "asking" | "holding" = "waiting";
  let timer: ReturnType<typeof setTimeout> | undefined;
  const note = (kind: Note["kind"], to?: string) => channel.postMessage({ kind, name, from: tab, to });
  const next = (afterMs: number, step: () => void) => {
    clearTimeout(timer);
    timer = setTimeout(step, afterMs);
  };

  function ask() {
    standing = "asking";
    note("asked");
    next(ANSWER_MS, take);
  }
  function take() {
    standing = "holding";
    act();
  }
  function wait() {
    standing = "waiting";
    next(AGAIN_MS, ask);
  }
  function free() {
    if (standing === "holding") note("free");
  }

  channel.onmessage = ({ data }: MessageEvent<Note>) => {
    if (data.name !== name) return;
    // Of two tabs that ask at the same time, the one whose name comes first gets the lock.
    const isAhead = standing === "holding" || (standing === "asking" && tab < data.from);
    if (data.kind === "asked" && isAhead) note("taken", data.from);
    else if (standing === "asking" && (data.kind === "asked" || data.to === tab)) wait();
    else if (standing === "waiting" && data.kind === "free") ask();
  };
  globalThis.addEventListener?.("pagehide", free);
  signal.addEventListener("abort", () => {
    clearTimeout(timer);
    free();
    channel.close();
    globalThis.removeEventListener?.("pagehide", free);
  });
  if (signal.aborted) channel.close();
  else if (name === tab) take();
  else ask();
}
