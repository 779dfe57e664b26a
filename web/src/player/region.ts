// The section of a recording that is kept. All times are seconds of the source.

import { exactClock } from "../format";
import type { Key, Values } from "../texts/texts";

export interface Region {
  start: number;
  end: number;
}
export type Part = "start" | "end" | "length";
/** Why a time cannot be taken: a text of the page. */
export interface Refusal {
  key: Key;
  values: Values;
}

/** The shortest section that a handle or a drag makes; a typed one may be a millisecond. */
export const SHORTEST_S = 0.1;
const TYPED_SHORTEST_S = 0.001;
const STEP_S = 1;
const LARGE_STEP_S = 10;
const FINE_STEP_S = 0.1;

export function exact(seconds: number): number {
  return Math.round(seconds * 1000) / 1000;
}

/** Returns the region with another start, end or length, or why that is not possible. `endS` is the recording's end. */
export function withPart(region: Region, part: Part, seconds: number, endS: number): Region | Refusal {
  const { start, end } =
    part === "start"
      ? { ...region, start: seconds }
      : { ...region, end: part === "end" ? seconds : exact(region.start + seconds) };
  const total = exactClock(endS);
  // A recording is as long as its last sample; people round.
  if (end > endS + 0.05) return { key: part === "length" ? "trim.too_long" : "trim.end_beyond", values: { total } };
  if (start >= endS) return { key: "trim.start_beyond", values: { total } };
  if (end - start < TYPED_SHORTEST_S)
    return { key: part === "length" ? "trim.no_length" : "trim.reversed", values: {} };
  return { start: exact(start), end: exact(Math.min(end, endS)) };
}

export function isRefusal(found: Region | Refusal): found is Refusal {
  return "key" in found;
}

/** Returns where a handle goes, within the bounds that leave a section. */
export function moved(region: Region, handle: "start" | "end", seconds: number, bounds: Region): Region {
  if (handle === "start") {
    const start = Math.max(bounds.start, Math.min(seconds, region.end - SHORTEST_S));
    return { ...region, start: exact(Math.max(0, start)) };
  }
  return { ...region, end: exact(Math.min(bounds.end, Math.max(seconds, region.start + SHORTEST_S))) };
}

/** Returns where a key moves a time: a second, ten with Shift, a tenth with Ctrl or Alt; undefined for other keys. */
export function keyed(event: KeyboardEvent, seconds: number, bounds: Region): number | undefined {
  const step = event.shiftKey ? LARGE_STEP_S : event.ctrlKey || event.altKey ? FINE_STEP_S : STEP_S;
  const places: Record<string, number> = {
    ArrowRight: seconds + step,
    ArrowUp: seconds + step,
    ArrowLeft: seconds - step,
    ArrowDown: seconds - step,
    PageUp: seconds + LARGE_STEP_S,
    PageDown: seconds - LARGE_STEP_S,
    Home: bounds.start,
    End: bounds.end,
  };
  const place = places[event.key];
  return place === undefined ? undefined : exact(Math.min(bounds.end, Math.max(bounds.start, place)));
}

/** Leaves out what would be drawn closer than `least` to the one before it; both are in the unit of `placeOf`. */
export function spaced<T>(items: readonly T[], placeOf: (item: T) => number, least: number): T[] {
  let last = -Infinity;
  return items.filter((item) => {
    const isFree = placeOf(item) - last >= least;
    if (isFree) last = placeOf(item);
    return isFree;
  });
}
