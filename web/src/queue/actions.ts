// What the user does with the files of the list.

import { call } from "../api/client";
import type { Conversion, Options } from "../api/types";
import { requestOf } from "../options/request";
import { preferences } from "../preferences.svelte";
import { postToTabs } from "../tabs/channel";
import { folderOf } from "./dropped";
import { Entry } from "./entry.svelte";
import { isEnd } from "./feed";
import * as kept from "./kept";
import { keep, owner, queue, setEntries } from "./list.svelte";
import { moved } from "./phase";
import { readConversions } from "./restoring";
import { holdWaiting, pump, stop } from "./scheduler";
import { drop, shareConversion } from "./sharing";
import { dropUpload, storedBytes } from "./uploads";

/** Adds files to the queue with these options. Returns their entries. */
export function add(files: readonly File[], options: Options = preferences.all.options): Entry[] {
  const added: Entry[] = [];
  if (!owner.userId) return added; // the user has signed out while a folder was read
  for (const file of files) {
    const lost = queue.entries.find((entry) => entry.phase === "lost" && kept.isSameFile(entry.kept(), file));
    if (lost) {
      giveFile(lost, file);
      continue;
    }
    const entry = new Entry(newId(), file);
    entry.folder = folderOf(file);
    prepare(entry, options);
    if (file.size === 0) entry.trouble = { code: "empty_file", detail: "", retryable: false };
    added.push(entry);
  }
  setEntries([...queue.entries, ...added]);
  pump();
  void holdWaiting();
  return added;
}

/** Adds files that the service downloads from these URLs. */
export function addLinks(links: readonly { url: string; name: string }[]): void {
  const added = links.map(({ url, name }) => {
    const entry = new Entry(newId(), { name, size: 0, lastModified: 0 });
    entry.url = url;
    prepare(entry, preferences.all.options);
    return entry;
  });
  setEntries([...queue.entries, ...added]);
  pump();
}

function prepare(entry: Entry, options: Options): void {
  entry.options = { ...options };
  entry.isHeldBack = preferences.all.lookFirst;
  entry.claim();
}

function newId(): string {
  return crypto.getRandomValues(new Uint32Array(2)).join("-");
}

/** Resumes an entry whose file the browser had lost. */
export function giveFile(entry: Entry, file: File): void {
  entry.trouble = null;
  if (kept.isSameFile(entry.kept(), file)) {
    [entry.file, entry.content] = [file, null];
    entry.claim();
    entry.step = "next";
    pump();
  } else {
    entry.trouble = { code: "other_file", detail: "", retryable: true };
  }
}

/** Uploads the file of a failed conversion again, because the service has lost it. */
export function sendAgain(entry: Entry, file: File): void {
  if (kept.isSameFile(entry.kept(), file)) {
    [entry.uploadId, entry.upload, entry.sentBytes, entry.progress] = [null, null, 0, null];
    entry.forgetConversion();
  }
  giveFile(entry, file);
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
  if (entry.isElsewhere) {
    postToTabs(owner.userId, { kind: "cancel", id: entry.id });
    return;
  }
  await stop(entry);
  const { conversion, uploadId } = entry;
  if (conversion && !isEnd(conversion.state)) {
    const canceled = await call<Conversion | null>("DELETE", `v1/conversions/${conversion.id}`);
    // A running conversion is canceled within seconds; an event reports it.
    if (canceled && entry.conversion?.id === conversion.id) shareConversion(canceled);
  }
  if (uploadId && entry.step !== "sent") await dropUpload(uploadId);
  if (!conversion) entry.trouble = { code: "canceled", detail: "", retryable: true };
  keep();
}

/** Retries the steps that failed. The first one reads the conversion of a restored row. */
export async function retry(entry: Entry): Promise<void> {
  if (entry.conversionId && !entry.conversion) {
    if (!(await readConversions([entry])).length) return remove(entry);
    entry.trouble = null;
    if (entry.step === "sent") return pump();
  }
  const { conversion: failed, step } = entry;
  if (entry.trouble?.code === "invalid_option") entry.options = { ...preferences.all.options };
  entry.trouble = null;
  entry.progress = null;
  if (failed && isEnd(failed.state) && entry.step === "sent") {
    entry.follow(await call<Conversion>("POST", `v1/conversions/${failed.id}/retry`));
  } else {
    const isThere = entry.uploadId !== null && !failed?.ended_at && (await storedBytes(entry.uploadId)) !== null;
    if (entry.step !== step) return; // it was given its file meanwhile, and runs
    if (!isThere) {
      [entry.uploadId, entry.sentBytes] = [null, 0];
      entry.forgetConversion();
    }
    entry.step = entry.isAvailable ? "next" : "lost";
    if (entry.isAvailable) entry.claim();
    else entry.sender = null;
  }
  pump();
}

/** Requests another conversion of the same upload, or the first one if it was held back. */
export async function convertAgain(entry: Entry, options: Options): Promise<void> {
  const { url, sourceId } = entry;
  const source = url !== null && sourceId === null ? { source: { url } } : { upload_id: sourceId };
  const body = requestOf(source, options);
  entry.follow(await call<Conversion>("POST", "v1/conversions", body));
  entry.options = options;
  entry.isHeldBack = false;
  keep();
}

/** Requests another MP3 of a finished file, in a separate row. The stem of its name is null if the service names it. */
export async function convertBeside(entry: Entry, options: Options, stem: string | null): Promise<void> {
  const body = requestOf({ upload_id: entry.sourceId }, options);
  const conversion = await call<Conversion>("POST", "v1/conversions", body);
  const other = new Entry(newId(), entry.file ?? entry);
  [other.uploadId, other.upload, other.tracks] = [entry.sourceId, entry.upload, entry.tracks];
  [other.step, other.options, other.chosenStem, other.folder] = ["sent", options, stem, entry.folder];
  other.learn(conversion);
  setEntries(queue.entries.flatMap((each) => (each === entry ? [each, other] : [each])));
  keep();
}

/** Removes an entry from the list of all tabs. Its conversion stays in the history. */
export function remove(entry: Entry): void {
  postToTabs(owner.userId, { kind: "removed", id: entry.id });
  drop(entry);
}

export function removeEnded(): void {
  for (const entry of queue.entries.filter((each) => each.isEnded)) remove(entry);
}

export async function cancelAll(): Promise<void> {
  // From the end, so that no waiting entry starts meanwhile.
  for (const entry of queue.entries.toReversed()) if (!entry.isEnded) await cancel(entry);
}

/** Names the MP3 for its download. */
export function rename(entry: Entry, stem: string): void {
  entry.chosenStem = stem;
  keep();
}

export function move(entry: Entry, places: number): void {
  setEntries(moved(queue.entries, entry, places));
  keep();
}
