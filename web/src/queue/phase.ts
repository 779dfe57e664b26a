// The phase of one file on its way to an MP3, and the summary of all files.

import type { State } from "../api/types";

/** The page's own step for a file, up to the last byte. */
export type Step = "next" | "taking" | "uploading" | "paused" | "lost" | "sent";
export type Phase =
  | Exclude<Step, "sent">
  | "refused" // a failure before the conversion was created
  | "ready" // waits for the user's choice
  | Exclude<State, "waiting">;

export interface Standing {
  step: Step;
  state: State | null;
  /** What failed before the conversion was created, by its code. */
  trouble: { code: string } | null;
  /** From 0 to 1. */
  sent: number;
  /** Of the conversion. */
  percent: number;
}

export const ENDED: readonly Phase[] = ["finished", "failed", "canceled", "refused"];
export const FAILED: readonly Phase[] = ["failed", "refused"];
const MINE: readonly Phase[] = ["taking", "uploading"];
/** The share of the upload in the total progress: converting is faster than uploading. */
const UPLOAD_SHARE = 0.7;

export function phaseOf({ step, state, trouble }: Standing): Phase {
  if (state === "finished" || state === "failed" || state === "canceled") return state;
  if (trouble) return trouble.code === "canceled" ? "canceled" : "refused";
  if (step !== "sent") return step;
  if (state === null) return "ready";
  return state === "waiting" ? "queued" : state;
}

export function isEnded(standing: Standing): boolean {
  return ENDED.includes(phaseOf(standing));
}

/** Whether the page or the service works on it without the user. */
export function isBusy(standing: Standing): boolean {
  const phase = phaseOf(standing);
  return MINE.includes(phase) || phase === "next" || phase === "queued" || phase === "processing";
}

/** From 0 to 100, over upload and conversion, of what has not failed. */
export function percentOf(standing: Standing): number {
  if (standing.state === "finished") return 100;
  const converted = standing.state === "processing" ? standing.percent / 100 : 0;
  return 100 * (UPLOAD_SHARE * standing.sent + (1 - UPLOAD_SHARE) * converted);
}

export interface Summary {
  total: number;
  ended: number;
  finished: number;
  failed: number;
  canceled: number;
  busy: number;
  /** From 0 to 100, of what can still become an MP3. */
  percent: number;
}

/**
 * Weighs each file by its size, so that a small file counts less than a large one.
 *
 * What has failed or was canceled counts neither as done nor as to be done.
 */
export function summarize(standings: readonly (Standing & { size: number })[]): Summary {
  const weight = (each: { size: number }) => Math.max(1, each.size);
  const counted = standings.filter((each) => !isEnded(each) || phaseOf(each) === "finished");
  const whole = counted.reduce((sum, each) => sum + weight(each), 0);
  const done = counted.reduce((sum, each) => sum + weight(each) * percentOf(each), 0);
  return {
    total: standings.length,
    ended: standings.filter(isEnded).length,
    finished: standings.filter((each) => phaseOf(each) === "finished").length,
    failed: standings.filter((each) => FAILED.includes(phaseOf(each))).length,
    canceled: standings.filter((each) => phaseOf(each) === "canceled").length,
    busy: standings.filter(isBusy).length,
    percent: whole ? done / whole : 0,
  };
}

/** Returns the list with one item moved by that many places, within the list. */
export function moved<T>(items: readonly T[], item: T, places: number): T[] {
  const from = items.indexOf(item);
  if (from < 0) return [...items];
  const to = Math.min(items.length - 1, Math.max(0, from + places));
  const others = items.filter((each) => each !== item);
  return [...others.slice(0, to), item, ...others.slice(to)];
}

/** Bytes per second over the last seconds: the current speed. */
export class Speedometer {
  #samples: [time: number, bytes: number][] = [];
  readonly #windowMs: number;

  constructor(windowMs = 6000) {
    this.#windowMs = windowMs;
  }

  /** Takes the bytes sent by a time in milliseconds. Returns bytes per second; null for the first call. */
  add(bytes: number, timeMs: number): number | null {
    this.#samples = this.#samples.filter(([time]) => timeMs - time <= this.#windowMs);
    this.#samples.push([timeMs, bytes]);
    const [time, before] = this.#samples[0] ?? [timeMs, bytes];
    return timeMs - time < 500 ? null : Math.max(0, (1000 * (bytes - before)) / (timeMs - time));
  }
}
