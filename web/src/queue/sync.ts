// What the other tabs know of this tab's rows.

import type { Message } from "../tabs/channel";
import type { Entry } from "./entry.svelte";

export class Sync {
  readonly #posted = new Map<string, string>();

  /** Returns messages for the rows that have changed, except those that other tabs send. */
  changes(entries: readonly Entry[]): Message[] {
    const messages: Message[] = [];
    for (const entry of entries) {
      if (entry.isElsewhere) continue;
      const row = entry.row();
      const text = JSON.stringify(row);
      if (this.#posted.get(entry.id) === text) continue;
      this.#posted.set(entry.id, text);
      messages.push({ kind: "row", row, conversion: entry.conversion, previous: entry.previous });
    }
    return messages;
  }

  /** The other tabs know this state of the entry. */
  isKnown(entry: Entry): void {
    this.#posted.set(entry.id, JSON.stringify(entry.row()));
  }

  /** The other tabs, or a new one, do not know it. */
  forget(entry: Entry): void {
    this.#posted.delete(entry.id);
  }
}
