// Restores what a tab had stored or was sending when it was closed, loaded again or crashed.

import { call, Problem } from "../api/client";
import type { Conversion } from "../api/types";
import { TAB } from "../tabs/channel";
import { Entry } from "./entry.svelte";
import { heldFile, type Kept } from "./kept";
import { storedBytes } from "./uploads";

/** Returns a stored entry with its conversion; null if that was deleted. */
export async function restored(stored: Kept): Promise<Entry | null> {
  const { id, name, sizeBytes, lastModified, conversionId } = stored;
  const entry = new Entry(id, { name, size: sizeBytes, lastModified });
  entry.take(stored);
  try {
    if (conversionId) entry.conversion = await call<Conversion>("GET", `v1/conversions/${conversionId}`);
    if (stored.step === "sent" || entry.isEnded) [entry.step, entry.sender] = ["sent", null];
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    entry.fail(error);
  }
  return entry;
}

/** Takes over an entry that no tab sends any more: with its file, if this browser has stored it. */
export async function takeOver(entry: Entry): Promise<void> {
  entry.sender = TAB;
  entry.speedBps = null;
  if (entry.isEnded) return;
  try {
    entry.file ??= await heldFile(entry.id);
    const stored = entry.uploadId ? await storedBytes(entry.uploadId) : null;
    if (!stored) [entry.uploadId, entry.upload, entry.conversion] = [null, null, null];
    entry.sentBytes = stored?.received_bytes ?? 0;
    entry.step = stored?.state === "complete" ? "sent" : entry.file ? "next" : "lost";
    if (entry.step !== "next") entry.sender = null;
  } catch (error) {
    entry.fail(error);
  }
}
