// Keeps the states of conversions up to date: event streams for the next few, one list for the rest.
// A browser opens six connections to one host over HTTP/1.1; uploads and everything else need some of them.

import { address, call, Problem } from "../api/client";
import type { Conversion, Page, Progress } from "../api/types";

const STREAMS = 2;
const LIST_EVERY_MS = 3000;
const AGAIN_AFTER_MS = 3000;

export interface Followed {
  readonly conversionId: string;
  readonly isProcessing: boolean;
  onProgress(progress: Progress): void;
  onConversion(conversion: Conversion): void;
  /** The conversion was deleted elsewhere, or the user signed out. */
  onGone(problem: Problem): void;
}

/** Returns the conversions that get a stream: running ones first, then in the order of the queue. */
export function streamed<T extends { isProcessing: boolean }>(followed: readonly T[], count = STREAMS): T[] {
  const processing = followed.filter((each) => each.isProcessing);
  const others = followed.filter((each) => !each.isProcessing);
  return [...processing, ...others].slice(0, count);
}

export class Follower {
  readonly #followed = new Map<string, Followed>();
  readonly #streams = new Map<string, EventSource>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #isListing = false;

  follow(followed: Followed): void {
    this.#followed.set(followed.conversionId, followed);
    this.#timer ??= setInterval(() => void this.#list(), LIST_EVERY_MS);
    this.#arrange();
  }

  unfollow(conversionId: string): void {
    this.#followed.delete(conversionId);
    this.#close(conversionId);
    if (!this.#followed.size) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#arrange();
  }

  #arrange(): void {
    const wanted = new Set(streamed([...this.#followed.values()]).map((each) => each.conversionId));
    for (const id of this.#streams.keys()) if (!wanted.has(id)) this.#close(id);
    for (const id of wanted) if (!this.#streams.has(id)) this.#open(id);
  }

  #open(id: string): void {
    const stream = new EventSource(address(`v1/conversions/${id}/events`));
    this.#streams.set(id, stream);
    stream.onmessage = (event: MessageEvent<string>) => {
      const progress = JSON.parse(event.data) as Progress;
      const followed = this.#followed.get(id);
      const begins = progress.state === "processing" && !followed?.isProcessing;
      followed?.onProgress(progress);
      if (begins || isEnd(progress.state)) void this.#read(id);
      if (isEnd(progress.state)) this.#close(id);
    };
    // Browsers reconnect after a lost connection, but not after an error response.
    stream.onerror = () => {
      if (stream.readyState !== EventSource.CLOSED || this.#streams.get(id) !== stream) return;
      setTimeout(() => {
        if (this.#streams.get(id) !== stream) return;
        this.#close(id);
        void this.#read(id).then(() => this.#arrange());
      }, AGAIN_AFTER_MS);
    };
  }

  #close(id: string): void {
    this.#streams.get(id)?.close();
    this.#streams.delete(id);
  }

  async #read(id: string): Promise<void> {
    try {
      this.#tell(await call<Conversion>("GET", `v1/conversions/${id}`));
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      if (![401, 403, 404].includes(problem.status)) return; // the list will be polled again
      const followed = this.#followed.get(id);
      this.unfollow(id);
      followed?.onGone(problem);
    }
  }

  async #list(): Promise<void> {
    const others = [...this.#followed.keys()].filter((id) => !this.#isWell(id));
    if (!others.length || this.#isListing) return;
    this.#isListing = true;
    try {
      const { items } = await call<Page<Conversion>>("GET", "v1/conversions?limit=100");
      const found = new Map(items.map((item) => [item.id, item]));
      for (const id of others) {
        const conversion = found.get(id);
        if (conversion) this.#tell(conversion);
        else await this.#read(id);
      }
      this.#arrange();
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
    } finally {
      this.#isListing = false;
    }
  }

  #isWell(id: string): boolean {
    return this.#streams.get(id)?.readyState === EventSource.OPEN;
  }

  #tell(conversion: Conversion): void {
    const followed = this.#followed.get(conversion.id);
    followed?.onConversion(conversion);
    if (isEnd(conversion.state)) this.unfollow(conversion.id);
  }
}

export function isEnd(state: string): boolean {
  return state === "finished" || state === "failed" || state === "canceled";
}
