// Who goes on with the uploads of a tab that was closed or crashed: the one tab that gets the lock that it had.

import { TAB } from "./channel";
import { hold } from "./locks";

interface Wait {
  act: () => void;
  end: AbortController;
}

/** The tabs whose locks this tab has. */
const held = new Set<string>();
/** The tabs whose locks this tab has or waits for. */
const waits = new Map<string, Wait>();
const forever = new AbortController().signal;

/** Call this before other tabs hear of this one. */
export function announceTab(): void {
  hold(TAB, TAB, forever, () => {});
}

/** Calls `act` as soon as that tab has ended, in one of the others; at once, if this tab already takes its place. */
export function whenEnded(tab: string, act: () => void): void {
  if (held.has(tab)) act();
  if (tab === TAB || waits.has(tab)) return;
  const end = new AbortController();
  waits.set(tab, { act, end });
  hold(tab, TAB, end.signal, () => {
    held.add(tab);
    act();
  });
}

/** Takes note that a tab lives. If it was silent for so long that this one took its place, this one waits again. */
export function heardFrom(tab: string): void {
  const wait = waits.get(tab);
  if (!wait || !held.delete(tab)) return;
  waits.delete(tab);
  wait.end.abort();
  whenEnded(tab, wait.act);
}

/** Whether this tab takes the place of that one. */
export function isSuccessorOf(tab: string): boolean {
  return held.has(tab);
}
