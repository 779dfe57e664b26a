// The list of files: its state, which account it belongs to, and that it is stored. It lives as long as the page.

import type { Entry } from "./entry.svelte";
import * as kept from "./kept";
import { summarize } from "./phase";

let entries = $state.raw<readonly Entry[]>([]);
const summary = $derived(summarize(entries));

export const queue = {
  get entries(): readonly Entry[] {
    return entries;
  },
  get summary() {
    return summary;
  },
};

/** Whose list it is. Nothing is stored before the stored list has been read. */
export const owner = { userId: null as string | null, isRestored: false };

export function setEntries(next: readonly Entry[]): void {
  entries = next;
}

export function entryWithId(id: string): Entry | undefined {
  return entries.find((entry) => entry.id === id);
}

export function entryOfConversion(conversionId: string): Entry | undefined {
  return entries.find((entry) => entry.conversion?.id === conversionId);
}

/** Stores the list. Call this when the stored state of an entry has changed. */
export function keep(): void {
  if (!owner.userId || !owner.isRestored) return;
  kept.keepList(
    owner.userId,
    entries.map((entry) => entry.kept()),
  );
}
