// Keeps the states of conversions up to date. One tab has the event stream of all conversions and informs the others,
// because a browser opens six connections to one host over HTTP/1.1. What stays quiet is looked up in the list.

import { address, call, Problem } from "../api/client";
import type { Conversion, Progress, State } from "../api/types";
import { checkConnection } from "../connection.svelte";
import { TAB, type News } from "../tabs/channel";
import { hold } from "../tabs/locks";
import { conversionsById } from "./lookup";

const LOOK_EVERY_MS = 2000;
/** The stream reports changes within a second or two; a conversion that is quiet for longer may have been missed. */
const QUIET_MS = 15_000;
const AGAIN_AFTER_MS = 3000;
const DELETED = { status: 404, code: "not_found" };

export class Feed {
  readonly #onNews: (news: News) => void;
  /** The conversions, and when this tab last heard of each. */
  readonly #heardMs = new Map<string, number>();
  readonly #states = new Map<string, State>();
  #stream: EventSource | null = null;
  #stopper: AbortController | null = null;
  #isLooking = false;

  /** `onNews` receives what this tab learns from the service; it passes it to the other tabs. */
  constructor(onNews: (news: News) => void) {
    this.#onNews = onNews;
  }

  /** Follows exactly these conversions. None of them has ended. */
  follow(ids: readonly string[]): void {
    for (const id of this.#heardMs.keys()) {
      if (ids.includes(id)) continue;
      this.#heardMs.delete(id);
      this.#states.delete(id);
    }
    for (const id of ids) {
      // The stream reports a new conversion within a second, unless it has ended already.
      if (!this.#heardMs.has(id)) this.#heardMs.set(id, performance.now() - QUIET_MS + LOOK_EVERY_MS);
    }
    if (ids.length) this.#start();
    else this.#stop();
  }

  /** Takes note of what this tab or another one has learned. */
  heard(news: News): void {
    const id = idOf(news);
    if (this.#heardMs.has(id)) this.#heardMs.set(id, performance.now());
  }

  #start(): void {
    if (this.#stopper) return;
    this.#stopper = new AbortController();
    const { signal } = this.#stopper;
    const timer = setInterval(() => void this.#look(), LOOK_EVERY_MS);
    signal.addEventListener("abort", () => clearInterval(timer));
    hold("events", TAB, signal, () => this.#open(signal));
  }

  #stop(): void {
    this.#stopper?.abort();
    this.#stopper = null;
    this.#stream?.close();
    this.#stream = null;
  }

  #open(signal: AbortSignal): void {
    if (signal.aborted) return;
    const stream = new EventSource(address("v1/conversions/events"));
    this.#stream = stream;
    stream.onmessage = ({ data }: MessageEvent<string>) => this.#took(JSON.parse(data) as Progress);
    stream.addEventListener("deleted", ({ data }: MessageEvent<string>) => {
      const { id } = JSON.parse(data) as { id: string };
      this.#onNews({ kind: "gone", id, ...DELETED });
    });
    // Browsers reconnect after a lost connection, but not after an error response.
    stream.onerror = () => {
      void checkConnection();
      if (stream.readyState === EventSource.CLOSED) setTimeout(() => this.#open(signal), AGAIN_AFTER_MS);
    };
  }

  #took(progress: Progress): void {
    const { id, state } = progress;
    this.#onNews({ kind: "progress", progress });
    if (!this.#heardMs.has(id)) return;
    const isNew = this.#states.get(id) !== state;
    this.#states.set(id, state);
    if (isNew && (state === "processing" || isEnd(state))) void this.#read(id);
  }

  async #read(id: string): Promise<void> {
    try {
      this.#onNews({ kind: "conversion", conversion: await call<Conversion>("GET", `v1/conversions/${id}`) });
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (![401, 403, 404].includes(problem.status)) return; // it will be looked up
      this.#onNews({ kind: "gone", id, status: problem.status, code: problem.code });
    }
  }

  async #look(): Promise<void> {
    const since = performance.now() - QUIET_MS;
    const quiet = [...this.#heardMs].filter(([, heardMs]) => heardMs <= since).map(([id]) => id);
    if (!quiet.length || this.#isLooking) return;
    this.#isLooking = true;
    try {
      const found = await conversionsById(quiet);
      for (const id of quiet) {
        const conversion = found.get(id);
        this.#onNews(conversion ? { kind: "conversion", conversion } : { kind: "gone", id, ...DELETED });
      }
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (![401, 403].includes(problem.status)) return;
      const { status, code } = problem;
      for (const id of [...this.#heardMs.keys()]) this.#onNews({ kind: "gone", id, status, code });
    } finally {
      this.#isLooking = false;
    }
  }
}

function idOf(news: News): string {
  if (news.kind === "progress") return news.progress.id;
  return news.kind === "conversion" ? news.conversion.id : news.id;
}

export function isEnd(state: string): boolean {
  return state === "finished" || state === "failed" || state === "canceled";
}
