// Who goes on with the uploads of a tab that was closed or crashed: the one tab that gets the lock that it had.

import { TAB } from "./channel";
import { hold } from "./locks";

/** This tab has these locks until it ends. */
const held = new Set<string>();
const awaited = new Set<string>();
const forever = new AbortController().signal;

/** Call this before other tabs hear of this one. */
export function announceTab(): void {
  hold(TAB, TAB, forever, () => {});
}

/** Calls `act` as soon as that tab has ended, in one of the others; at once, if this tab already takes its place. */
export function whenEnded(tab: string, act: () => void): void {
  if (held.has(tab)) act();
  if (tab === TAB || awaited.has(tab)) return;
  awaited.add(tab);
  hold(tab, TAB, forever, () => {
    held.add(tab);
    act();
  });
}

/** Whether this tab takes the place of that one. */
export function isSuccessorOf(tab: string): boolean {
  return held.has(tab);
}
