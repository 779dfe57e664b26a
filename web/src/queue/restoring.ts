// Restores what a tab had stored or was sending when it was closed, loaded again or crashed.

import type { Conversion } from "../api/types";
import { isSuccessorOf } from "../tabs/senders";
import { Entry } from "./entry.svelte";
import { isEnd } from "./feed";
import type { Kept } from "./fields";
import { heldFile } from "./kept";
import { conversionsById } from "./lookup";
import { storedBytes } from "./uploads";

/** Returns the stored entries whose conversions were not deleted. */
export async function restored(stored: readonly Kept[]): Promise<Entry[]> {
  const entries = stored.map((each) => {
    const entry = new Entry(each.id, { name: each.name, size: each.sizeBytes, lastModified: each.lastModified });
    entry.take(each);
    return entry;
  });
  try {
    return await readConversions(entries);
  } catch (error) {
    for (const entry of entries) if (entry.conversionId) entry.fail(error);
    return entries;
  }
}

/** Reads the conversions of stored entries. Returns the entries whose conversions were not deleted. Throws a Problem. */
export async function readConversions(entries: readonly Entry[]): Promise<Entry[]> {
  const ids = entries.flatMap(({ conversionId, previousId }) => [conversionId, previousId]);
  const found = await conversionsById(ids.filter((id) => id !== null));
  return entries.filter((entry) => takeConversions(entry, found));
}

/** Returns false if the entry's conversions were deleted. */
function takeConversions(entry: Entry, found: ReadonlyMap<string, Conversion>): boolean {
  const { conversionId, previousId } = entry;
  const previous = previousId === null ? undefined : found.get(previousId);
  if (previous) entry.previous = previous;
  else entry.forgetPrevious();
  const conversion = conversionId === null ? undefined : found.get(conversionId);
  if (conversion) entry.learn(conversion);
  else if (conversionId !== null && !entry.fallBack()) return false;
  if (entry.step === "sent" || (entry.conversion && isEnd(entry.conversion.state))) {
    [entry.step, entry.sender] = ["sent", null];
  }
  return true;
}

/**
 * Takes over an entry that no tab sends any more: with its file, if this browser has stored it.
 *
 * Its sender may only be silent for a while, so it stays the sender of what this tab cannot send.
 */
export async function takeOver(entry: Entry): Promise<void> {
  const { sender, uploadId } = entry;
  const file = entry.file ?? (await heldFile(entry.id));
  let stored: Awaited<ReturnType<typeof storedBytes>> = null;
  let failure: unknown = null;
  try {
    if (uploadId && !entry.isEnded) stored = await storedBytes(uploadId);
  } catch (error) {
    failure = error;
  }
  // Meanwhile the sender has reported, or the user has chosen the file again.
  if (!sender || entry.sender !== sender || !isSuccessorOf(sender)) return;
  entry.speedBps = null;
  if (stored?.state === "complete" || entry.state === "finished") {
    [entry.step, entry.sender] = ["sent", null];
    return;
  }
  if (!entry.isEnded && !failure) {
    entry.sentBytes = stored?.received_bytes ?? 0;
    if (!stored) {
      [entry.uploadId, entry.upload] = [null, null];
      entry.forgetConversion();
    }
  }
  if (!file && entry.url === null) {
    entry.step = "lost";
    return;
  }
  entry.file = file;
  entry.claim();
  if (failure) entry.fail(failure);
  else if (!entry.isEnded) entry.step = "next";
}
