// The order of a long list, and which of its files are shown.

import type { Phase } from "./phase";
import { ENDED, FAILED } from "./phase";

/** From so many files on, a list can be sorted and filtered. */
export const LONG = 8;

export type Group = "working" | "ready" | "failed" | "canceled";
export const GROUPS: readonly Group[] = ["working", "ready", "failed", "canceled"];

/** `added`: in the order in which they are converted. */
export type Order = "added" | "newest" | "name" | "state" | "length" | "size";
export const ORDERS: readonly Order[] = ["added", "newest", "name", "state", "length", "size"];

export interface Arrangeable {
  phase: Phase;
  shownName: string;
  durationS: number | null;
  sizeBytes: number;
}

export function groupOf(phase: Phase): Group {
  if (FAILED.includes(phase)) return "failed";
  if (phase === "canceled") return "canceled";
  return ENDED.includes(phase) ? "ready" : "working";
}

/** How many items each group has. */
export function countGroups(items: readonly { phase: Phase }[]): Record<Group, number> {
  const counts = { working: 0, ready: 0, failed: 0, canceled: 0 };
  for (const { phase } of items) counts[groupOf(phase)] += 1;
  return counts;
}

/** Returns the items of a group (null: all) in that order: the longest and largest first, by state the failed ones first. */
export function arrange<T extends Arrangeable>(items: readonly T[], group: Group | null, order: Order): T[] {
  const shown = items.filter(({ phase }) => group === null || groupOf(phase) === group);
  if (order === "newest") return shown.reverse();
  if (order === "added") return shown;
  return shown.sort(COMPARISONS[order]);
}

/** Returns the names that occur more than once. */
export function repeated(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  return new Set(names.filter((name) => seen.has(name) || !seen.add(name)));
}

const BY_URGENCY: readonly Group[] = ["failed", "working", "ready", "canceled"];
const names = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

type Comparison = (one: Arrangeable, other: Arrangeable) => number;
const COMPARISONS: Record<Exclude<Order, "added" | "newest">, Comparison> = {
  name: (one, other) => names.compare(one.shownName, other.shownName),
  state: (one, other) => BY_URGENCY.indexOf(groupOf(one.phase)) - BY_URGENCY.indexOf(groupOf(other.phase)),
  length: (one, other) => (other.durationS ?? -1) - (one.durationS ?? -1),
  size: (one, other) => other.sizeBytes - one.sizeBytes,
};
