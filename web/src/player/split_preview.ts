// Which MP3s a split makes, asked one request at a time.

import { call, Problem } from "../api/client";
import type { PlannedSegment } from "../api/types";

/** What is known of the wanted split. */
export interface Preview {
  /** The MP3s; null if they are unknown. */
  segments: readonly PlannedSegment[] | null;
  /** Why they are unknown; null if nothing failed. */
  failure: unknown;
  isLooking: boolean;
}

type Ask = (request: string) => Promise<readonly PlannedSegment[]>;

export const NOTHING: Preview = { segments: null, failure: null, isLooking: false };
const PAUSE_MS = 300;

/** Asks the service. The request is JSON, so that two can be compared. */
export async function askService(request: string): Promise<readonly PlannedSegment[]> {
  const found = await call<{ segments: PlannedSegment[] }>("POST", "v1/split-preview", JSON.parse(request));
  return found.segments;
}

export class SplitPreview {
  #preview = NOTHING;
  /** The wanted request; null if there is nothing to ask. */
  #wanted: string | null = null;
  #pause: ReturnType<typeof setTimeout> | undefined;
  readonly #tell: (preview: Preview) => void;
  readonly #ask: Ask;

  /** Calls `tell` with each change. */
  constructor(tell: (preview: Preview) => void, ask: Ask = askService) {
    this.#tell = tell;
    this.#ask = ask;
  }

  /** Asks after a pause, so that what is typed or dragged is not asked key by key. */
  want(request: string): void {
    this.stop();
    this.#wanted = request;
    this.#pause = setTimeout(() => void this.look(), PAUSE_MS);
  }

  /** Forgets what is known: there is no split. */
  clear(): void {
    this.stop();
    this.#change({ segments: null, failure: null });
  }

  /** Asks nothing more. What is known stays, and the answer of a running request is not taken. */
  stop(): void {
    clearTimeout(this.#pause);
    this.#wanted = null;
  }

  /** Asks at once. A request that runs is waited for; the next one takes what is wanted by then. */
  async look(): Promise<void> {
    if (this.#preview.isLooking) return;
    while (this.#wanted !== null) {
      const asked = this.#wanted;
      this.#change({ isLooking: true });
      const answer = await this.#answerTo(asked);
      if (this.#wanted !== asked || answer === "still_running") continue;
      this.#change({ ...answer, isLooking: false });
      return;
    }
    this.#change({ isLooking: false });
  }

  /** A long recording is still looked into: the work goes on, and the next request waits for the same. */
  async #answerTo(request: string): Promise<Pick<Preview, "segments" | "failure"> | "still_running"> {
    try {
      return { segments: await this.#ask(request), failure: null };
    } catch (error) {
      if (error instanceof Problem && error.code === "still_running") return "still_running";
      return { segments: null, failure: error };
    }
  }

  #change(change: Partial<Preview>): void {
    this.#preview = { ...this.#preview, ...change };
    this.#tell(this.#preview);
  }
}
