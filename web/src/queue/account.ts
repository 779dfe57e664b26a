// Whose queue it is: it is restored at sign-in, stays stored for its account, and is deleted at sign-out.

import { postToTabs, TAB } from "../tabs/channel";
import * as kept from "./kept";
import { owner, queue, setEntries } from "./list.svelte";
import { restored } from "./restoring";
import { halt, pump } from "./scheduler";
import { succeed, sync } from "./sharing";

/** Restores the stored queue of this account, and asks the other tabs for theirs. */
export async function restore(userId: string): Promise<void> {
  if (owner.userId === userId) return;
  await leave(userId);
  owner.userId = userId;
  postToTabs(userId, { kind: "hello" });
  const found = await restored(kept.keptList(userId));
  if (owner.userId !== userId) return;
  const known = new Set(queue.entries.map((entry) => entry.id));
  const added = found.filter((entry) => !known.has(entry.id));
  // The other tabs know these; what was stored may be older than what they know.
  for (const entry of added) sync.isKnown(entry);
  setEntries([...added, ...queue.entries]);
  owner.isRestored = true;
  for (const entry of added) succeed(entry.sender);
  pump();
}

/** Clears the queue at sign-out. Uploads and conversions stay in the service. */
export async function clear(): Promise<void> {
  postToTabs(owner.userId, { kind: "cleared" });
  await wipe();
}

/** The same, in this tab alone. */
export async function wipe(): Promise<void> {
  await leave(null);
  await kept.forgetAll();
}

/** Drops the queue of another account. It stays stored. */
export async function leave(userId: string | null): Promise<void> {
  if (!owner.userId || owner.userId === userId) return;
  const mine = queue.entries.filter((entry) => entry.sender === TAB && !entry.isEnded);
  setEntries([]);
  [owner.userId, owner.isRestored] = [null, false];
  for (const entry of mine) await halt(entry);
}
