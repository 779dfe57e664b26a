// The queue of dropped files, their progress and the actions on them. It lives as long as the page.

import { call, Problem } from "../api/client";
import type { Conversion, Options } from "../api/types";
import { preferences } from "../preferences.svelte";
import { Entry } from "./entry.svelte";
import { Follower, isEnd } from "./following";
import { forgetAll, heldFile, holdFile, isSameFile, keepList, keptList, releaseFile, type Kept } from "./kept";
import { moved, summarize } from "./phase";
import { advance, needsRoom, type Surroundings } from "./steps";
import { dropUpload, storedBytes } from "./uploads";

const AT_ONCE = 2;
const ROOM_AFTER_MS = 5000;

let entries = $state.raw<Entry[]>([]);
let owner: string | null = null;
let roomTimer: ReturnType<typeof setTimeout> | undefined;
const follower = new Follower();
const summary = $derived(summarize(entries));

export const queue = {
  get entries(): readonly Entry[] {
    return entries;
  },
  get summary() {
    return summary;
  },
};

/** Adds files to the queue with these options. Returns their entries. */
export function add(files: readonly File[], options: Options = preferences.all.options): Entry[] {
  const added: Entry[] = [];
  for (const file of files) {
    const lost = entries.find((entry) => entry.phase === "lost" && isSameFile(entry.kept(), file));
    if (lost) {
      giveFile(lost, file);
      continue;
    }
    const entry = new Entry(crypto.getRandomValues(new Uint32Array(2)).join("-"), file);
    entry.options = { ...options };
    entry.isHeldBack = preferences.all.lookFirst;
    if (file.size === 0) entry.trouble = { code: "empty_file", detail: "", retryable: false };
    added.push(entry);
  }
  entries = [...entries, ...added];
  pump();
  return added;
}

/** Resumes an entry whose file the browser had lost. */
export function giveFile(entry: Entry, file: File): void {
  entry.trouble = null;
  if (isSameFile(entry.kept(), file)) {
    entry.file = file;
    entry.step = "next";
    pump();
  } else {
    entry.trouble = { code: "other_file", detail: "", retryable: true };
  }
}

/** Starts the next entries, up to the limit of parallel uploads. */
function pump(): void {
  keep();
  const active = entries.filter((entry) => entry.phase === "uploading" || entry.phase === "taking").length;
  const next = entries.filter((entry) => entry.phase === "next" && !roomTimer);
  for (const entry of next.slice(0, Math.max(0, AT_ONCE - active))) void run(entry);
}

async function run(entry: Entry): Promise<void> {
  entry.stopper = new AbortController();
  const { signal } = entry.stopper;
  entry.step = "taking"; // immediately, so that no other call starts it again
  try {
    await advance(entry, surroundings);
    await releaseFile(entry.id);
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Problem && needsRoom(error)) {
      // It is tried again when another upload or conversion has ended.
      entry.step = "next";
      roomTimer = setTimeout(() => ((roomTimer = undefined), pump()), ROOM_AFTER_MS);
    } else {
      entry.trouble = troubleOf(error);
    }
  }
  pump();
}

const surroundings: Surroundings = {
  isSoundWanted: () => preferences.all.soundOnly,
  hold: (entry, file) => void holdFile(entry.id, file),
  changed: keep,
  follow,
};

function follow(entry: Entry): void {
  const id = entry.conversion?.id;
  if (!id || isEnd(entry.state ?? "")) return;
  follower.follow({
    conversionId: id,
    get isProcessing() {
      return entry.conversion?.id === id && entry.state === "processing";
    },
    onProgress(progress) {
      if (entry.conversion?.id === id) entry.progress = progress;
    },
    onConversion(conversion) {
      if (entry.conversion?.id !== id) return;
      entry.conversion = conversion;
      if (isEnd(conversion.state)) pump();
    },
    onGone(problem) {
      if (problem.status === 404) remove(entry);
      else entry.trouble = troubleOf(problem);
    },
  });
}

export function pause(entry: Entry): void {
  void import("./sender").then(({ pauseSending }) => pauseSending(entry.id, true));
  entry.step = "paused";
  entry.speedBps = null;
  pump();
}

export function resume(entry: Entry): void {
  void import("./sender").then(({ pauseSending }) => pauseSending(entry.id, false));
  entry.step = "uploading";
}

/** Cancels an entry in any phase. The row stays and shows it. */
export async function cancel(entry: Entry): Promise<void> {
  await stop(entry);
  const { conversion, uploadId } = entry;
  if (conversion && !isEnd(conversion.state)) {
    const canceled = await call<Conversion | null>("DELETE", `v1/conversions/${conversion.id}`);
    // A running conversion is canceled within seconds; an event reports it.
    if (canceled && entry.conversion?.id === conversion.id) entry.conversion = canceled;
  }
  if (uploadId && entry.step !== "sent") await dropUpload(uploadId);
  if (!conversion) entry.trouble = { code: "canceled", detail: "", retryable: true };
  keep();
}

async function stop(entry: Entry): Promise<void> {
  entry.stopper.abort();
  if (entry.step === "uploading" || entry.step === "paused") (await import("./sender")).stopSending(entry.id);
  await releaseFile(entry.id);
}

/** Retries the steps that failed. */
export async function retry(entry: Entry): Promise<void> {
  const { conversion: failed, step } = entry;
  entry.trouble = null;
  entry.progress = null;
  if (failed && isEnd(failed.state) && entry.step === "sent") {
    entry.conversion = await call<Conversion>("POST", `v1/conversions/${failed.id}/retry`);
    follow(entry);
  } else {
    const isThere = entry.uploadId !== null && !failed?.ended_at && (await storedBytes(entry.uploadId)) !== null;
    if (entry.step !== step) return; // it was given its file meanwhile, and runs
    if (!isThere) [entry.uploadId, entry.conversion, entry.sentBytes] = [null, null, 0];
    entry.step = entry.file ? "next" : "lost";
  }
  pump();
}

/** Requests another conversion of the same upload, or the first one if it was held back. */
export async function convertAgain(entry: Entry, options: Options, coverUploadId?: string): Promise<void> {
  const body = { upload_id: entry.uploadId, options, ...(coverUploadId ? { cover_upload_id: coverUploadId } : {}) };
  entry.conversion = await call<Conversion>("POST", "v1/conversions", body);
  entry.options = options;
  entry.progress = null;
  entry.isHeldBack = false;
  follow(entry);
  keep();
}

/** Removes an entry from the list. Its conversion stays in the history. */
export function remove(entry: Entry): void {
  if (entry.conversion) follower.unfollow(entry.conversion.id);
  if (!entry.isEnded) void stop(entry);
  entries = entries.filter((each) => each !== entry);
  pump();
}

export function removeEnded(): void {
  for (const entry of entries.filter((each) => each.isEnded)) remove(entry);
}

export async function cancelAll(): Promise<void> {
  // From the end, so that no waiting entry starts meanwhile.
  for (const entry of entries.toReversed()) if (!entry.isEnded) await cancel(entry);
}

export function move(entry: Entry, places: number): void {
  entries = moved(entries, entry, places);
  keep();
}

function keep(): void {
  if (owner)
    keepList(
      owner,
      entries.filter((entry) => entry.uploadId).map((entry) => entry.kept()),
    );
}

/** Restores the stored queue of this account. */
export async function restore(userId: string): Promise<void> {
  if (owner === userId) return;
  owner = userId;
  const restored = await Promise.all(keptList(userId).map(restoreOne));
  const known = new Set(entries.map((entry) => entry.id));
  entries = [...restored.filter((entry) => entry !== null && !known.has(entry.id)), ...entries] as Entry[];
  for (const entry of entries) follow(entry);
  pump();
}

async function restoreOne(kept: Kept): Promise<Entry | null> {
  const entry = new Entry(kept.id, { name: kept.name, size: kept.sizeBytes, lastModified: kept.lastModified });
  entry.options = kept.options;
  entry.uploadId = kept.uploadId;
  entry.upload = kept.upload;
  try {
    if (kept.conversionId) entry.conversion = await call<Conversion>("GET", `v1/conversions/${kept.conversionId}`);
    if (kept.isSent || isEnd(entry.state ?? "")) {
      entry.step = "sent";
      return entry;
    }
    const stored = kept.uploadId ? await storedBytes(kept.uploadId) : null;
    if (!stored) return null;
    entry.sentBytes = stored.received_bytes;
    entry.file = await heldFile(kept.id);
    entry.step = stored.state === "complete" ? "sent" : entry.file ? "next" : "lost";
    return entry;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    entry.trouble = troubleOf(error);
    return entry;
  }
}

/** Clears the queue at sign-out. Uploads and conversions stay in the service. */
export async function clear(): Promise<void> {
  for (const entry of entries) {
    if (entry.conversion) follower.unfollow(entry.conversion.id);
    if (!entry.isEnded) await stop(entry);
  }
  [entries, owner] = [[], null];
  await forgetAll();
}

function troubleOf(error: unknown) {
  if (!(error instanceof Problem)) return { code: "unexpected", detail: String(error), retryable: true };
  return { code: error.code, detail: error.message, retryable: true };
}
