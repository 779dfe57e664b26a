// Restores what a tab had stored or was sending when it was closed, loaded again or crashed.

import { call, Problem } from "../api/client";
import type { Conversion } from "../api/types";
import { isSuccessorOf } from "../tabs/senders";
import { Entry } from "./entry.svelte";
import { isEnd } from "./feed";
import { heldFile, type Kept } from "./kept";
import { storedBytes } from "./uploads";

/** Returns a stored entry with its conversion; null if that was deleted. */
export async function restored(stored: Kept): Promise<Entry | null> {
  const { id, name, sizeBytes, lastModified } = stored;
  const entry = new Entry(id, { name, size: sizeBytes, lastModified });
  entry.take(stored);
  try {
    return (await readConversion(entry)) ? entry : null;
  } catch (error) {
    entry.fail(error);
    return entry;
  }
}

/** Reads the conversion of a stored entry, if it has one. Returns false if that was deleted. Throws a Problem. */
export async function readConversion(entry: Entry): Promise<boolean> {
  try {
    if (entry.conversionId) entry.conversion = await call<Conversion>("GET", `v1/conversions/${entry.conversionId}`);
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return false;
    throw error;
  }
  const { step, conversion } = entry;
  if (step === "sent" || (conversion && isEnd(conversion.state))) [entry.step, entry.sender] = ["sent", null];
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
