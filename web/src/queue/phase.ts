// Where one file is on its way from this machine to an MP3, and where all of them are together.

import type { State } from "../api/types";

/** What the page itself does with a file, up to its last byte. */
export type Step = "next" | "taking" | "uploading" | "paused" | "lost" | "sent";
export type Phase =
  | Exclude<Step, "sent">
  | "refused" // something went wrong before there was a conversion that could fail
  | "ready" // waits for the reader's choice
  | Exclude<State, "waiting">;

export interface Standing {
  step: Step;
  state: State | null;
  hasProblem: boolean;
  /** From 0 to 1. */
  sent: number;
  /** Of the conversion. */
  percent: number;
}

export const ENDED: readonly Phase[] = ["finished", "failed", "canceled", "refused"];
const MINE: readonly Phase[] = ["taking", "uploading"];
/** A job that waits for its upload is not done by half when the upload is: converting is the quicker part. */
const UPLOAD_SHARE = 0.7;

export function phaseOf({ step, state, hasProblem }: Standing): Phase {
  if (state === "finished" || state === "failed" || state === "canceled") return state;
  if (hasProblem) return "refused";
  if (step !== "sent") return step;
  if (state === null) return "ready";
  return state === "waiting" ? "queued" : state;
}

export function isEnded(standing: Standing): boolean {
  return ENDED.includes(phaseOf(standing));
}

/** Whether something is being done for it, here or in the service, without the reader. */
export function isBusy(standing: Standing): boolean {
  const phase = phaseOf(standing);
  return MINE.includes(phase) || phase === "next" || phase === "queued" || phase === "processing";
}

/** From 0 to 100, over both ways. */
export function percentOf(standing: Standing): number {
  if (isEnded(standing)) return 100;
  const converted = standing.state === "processing" ? standing.percent / 100 : 0;
  return 100 * (UPLOAD_SHARE * standing.sent + (1 - UPLOAD_SHARE) * converted);
}

export interface Summary {
  total: number;
  ended: number;
  finished: number;
  busy: number;
  percent: number;
}

/** Weighs each file by its size, so that one small file does not count as much as a large one. */
export function summarize(standings: readonly (Standing & { size: number })[]): Summary {
  const weight = (each: { size: number }) => Math.max(1, each.size);
  const whole = standings.reduce((sum, each) => sum + weight(each), 0);
  const done = standings.reduce((sum, each) => sum + weight(each) * percentOf(each), 0);
  return {
    total: standings.length,
    ended: standings.filter(isEnded).length,
    finished: standings.filter((each) => phaseOf(each) === "finished").length,
    busy: standings.filter(isBusy).length,
    percent: whole ? done / whole : 0,
  };
}

/** Returns the list with one item moved by so many places, as far as there are any. */
export function moved<T>(items: readonly T[], item: T, places: number): T[] {
  const from = items.indexOf(item);
  if (from < 0) return [...items];
  const to = Math.min(items.length - 1, Math.max(0, from + places));
  const others = items.filter((each) => each !== item);
  return [...others.slice(0, to), item, ...others.slice(to)];
}

/** Bytes per second, over the last seconds rather than since the start: what the line does now. */
export class Speedometer {
  #samples: [time: number, bytes: number][] = [];
  readonly #windowMs: number;

  constructor(windowMs = 6000) {
    this.#windowMs = windowMs;
  }

  /** Takes how many bytes are over at a time in milliseconds; returns bytes per second, or null at first. */
  add(bytes: number, timeMs: number): number | null {
    this.#samples = this.#samples.filter(([time]) => timeMs - time <= this.#windowMs);
    this.#samples.push([timeMs, bytes]);
    const [time, before] = this.#samples[0] ?? [timeMs, bytes];
    return timeMs - time < 500 ? null : Math.max(0, (1000 * (bytes - before)) / (timeMs - time));
  }
}
