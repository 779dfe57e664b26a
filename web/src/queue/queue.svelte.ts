// The queue of dropped files, their progress and the actions on them. It lives as long as the page, and all tabs of
// this browser show the same one: the tab that has a file sends it and reports to the others.

import { call, Problem } from "../api/client";
import type { Conversion, Options } from "../api/types";
import { preferences } from "../preferences.svelte";
import { onTabMessage, TAB, postToTabs, type Message, type News } from "../tabs/channel";
import { announceTab, heardFrom, whenEnded } from "../tabs/senders";
import { Entry } from "./entry.svelte";
import { Feed, isEnd } from "./feed";
import * as kept from "./kept";
import { moved, summarize } from "./phase";
import { readConversion, restored, takeOver } from "./restoring";
import { advance, canWait, type Surroundings } from "./steps";
import { Sync } from "./sync";
import { dropUpload, storedBytes } from "./uploads";

/** Uploads of all tabs at the same time. */
const AT_ONCE = 2;
const ROOM_AFTER_MS = 5000;
/** A tab that sends a file reports it every second or so. Browsers freeze tabs, so the others do not wait forever. */
const SILENT_MS = 15_000;

let entries = $state.raw<Entry[]>([]);
let owner: string | null = null;
let isRestored = false;
let roomTimer: ReturnType<typeof setTimeout> | undefined;
let pumpTimer: ReturnType<typeof setTimeout> | undefined;
const sync = new Sync();
const summary = $derived(summarize(entries));

export const queue = {
  get entries(): readonly Entry[] {
    return entries;
  },
  get summary() {
    return summary;
  },
};

const feed = new Feed((news) => {
  postToTabs(owner, news);
  take(news);
});

announceTab();
onTabMessage((message, userId, from) => {
  heardFrom(from);
  if (message.kind === "cleared") void wipe();
  else if (owner && userId === owner) hear(message);
});
addEventListener("online", () => {
  clearTimeout(roomTimer);
  roomTimer = undefined;
  pump();
});
addEventListener("beforeunload", (event) => {
  // The browser asks whether to leave.
  if (entries.some((entry) => entry.sender === TAB && !entry.isEnded)) event.preventDefault();
});
$effect.root(() => {
  $effect(() => feed.follow(followed()));
  $effect(postRows);
});

function followed(): string[] {
  const running = entries.filter((entry) => entry.conversion && !isEnd(entry.conversion.state) && !entry.trouble);
  return running.map((entry) => entry.conversion?.id ?? "");
}

function postRows(): void {
  for (const message of sync.changes(entries)) postToTabs(owner, message);
}

function hear(message: Message): void {
  const entry = "id" in message ? entries.find((each) => each.id === message.id) : undefined;
  switch (message.kind) {
    case "hello":
      // All others are stored.
      for (const each of entries) if (each.sender === TAB) sync.forget(each);
      postRows();
      break;
    case "row":
      takeRow(message.row, message.conversion);
      break;
    case "removed":
      if (entry) drop(entry);
      break;
    case "cancel":
      if (entry?.sender === TAB) void cancel(entry);
      break;
    case "progress":
    case "conversion":
    case "gone":
      take(message);
  }
}

function take(news: News): void {
  feed.heard(news);
  if (news.kind === "progress") {
    const entry = entryOf(news.progress.id);
    if (entry) entry.progress = news.progress;
  } else if (news.kind === "conversion") {
    const entry = entryOf(news.conversion.id);
    if (!entry) return;
    entry.conversion = news.conversion;
    if (isEnd(news.conversion.state)) pump();
  } else {
    const entry = entryOf(news.id);
    if (entry && news.status === 404) drop(entry);
    else if (entry) entry.trouble = { code: news.code, detail: "", retryable: true };
  }
}

function entryOf(conversionId: string): Entry | undefined {
  return entries.find((entry) => entry.conversion?.id === conversionId);
}

/** Takes over the row of another tab. */
function takeRow(row: kept.Row, conversion: Conversion | null): void {
  let entry = entries.find((each) => each.id === row.id);
  if (row.sender === TAB) {
    // This tab was silent for so long that another one gave up its file.
    if (entry) sync.forget(entry);
    postRows();
    return;
  }
  if (entry?.isAheadOf(row)) return;
  if (entry?.sender === TAB && row.sender !== null) void halt(entry);
  entry ??= new Entry(row.id, { name: row.name, size: row.sizeBytes, lastModified: row.lastModified });
  const before = JSON.stringify(entry.kept());
  entry.take(row);
  // The other tab may have failed to read the conversion.
  if (entry.conversion?.id !== row.conversionId) [entry.conversion, entry.progress] = [conversion, null];
  sync.isKnown(entry);
  if (!entries.includes(entry)) entries = [...entries, entry];
  succeed(row.sender);
  if (JSON.stringify(entry.kept()) !== before) pump();
}

/** Goes on with the files of another tab as soon as that has ended. */
function succeed(tab: string | null): void {
  if (!tab || tab === TAB) return;
  whenEnded(tab, () => {
    for (const entry of entries) if (entry.sender === tab) void takeOver(entry).then(pump);
  });
}

/** Adds files to the queue with these options. Returns their entries. */
export function add(files: readonly File[], options: Options = preferences.all.options): Entry[] {
  const added: Entry[] = [];
  for (const file of files) {
    const lost = entries.find((entry) => entry.phase === "lost" && kept.isSameFile(entry.kept(), file));
    if (lost) {
      giveFile(lost, file);
      continue;
    }
    const entry = new Entry(crypto.getRandomValues(new Uint32Array(2)).join("-"), file);
    entry.options = { ...options };
    entry.isHeldBack = preferences.all.lookFirst;
    entry.claim();
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
  if (kept.isSameFile(entry.kept(), file)) {
    [entry.file, entry.content] = [file, null];
    entry.claim();
    entry.step = "next";
    pump();
  } else {
    entry.trouble = { code: "other_file", detail: "", retryable: true };
  }
}

/** Starts the next entries, up to the limit of parallel uploads. */
function pump(): void {
  keep();
  const next = entries.filter((entry) => entry.phase === "next" && !entry.isElsewhere && !roomTimer);
  if (!next.length) return;
  const active = entries.filter((entry) => entry.phase === "uploading" || entry.phase === "taking");
  const others = active.filter((entry) => entry.isElsewhere);
  const heard = others.filter((entry) => performance.now() - entry.heardMs < SILENT_MS);
  const free = AT_ONCE - (active.length - others.length + heard.length);
  for (const entry of next.slice(0, Math.max(0, free))) void run(entry);
  if (free <= 0 && heard.length) pumpTimer ??= setTimeout(() => ((pumpTimer = undefined), pump()), SILENT_MS);
}

async function run(entry: Entry): Promise<void> {
  entry.stopper = new AbortController();
  const { signal } = entry.stopper;
  entry.step = "taking"; // immediately, so that no other call starts it again
  try {
    await advance(entry, surroundings);
    entry.sender = null;
    await kept.releaseFile(entry.id);
  } catch (error) {
    if (signal.aborted) return;
    if (error instanceof Problem && canWait(error)) {
      // It is tried again when another upload or conversion has ended, or the connection is back.
      entry.step = "next";
      roomTimer = setTimeout(() => ((roomTimer = undefined), pump()), ROOM_AFTER_MS);
    } else {
      entry.fail(error);
    }
  }
  pump();
}

const surroundings: Surroundings = {
  isSoundWanted: () => preferences.all.soundOnly,
  hold: (entry, file) => void kept.holdFile(entry.id, file),
  changed: keep,
};

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
    postToTabs(owner, { kind: "cancel", id: entry.id });
    return;
  }
  await stop(entry);
  const { conversion, uploadId } = entry;
  if (conversion && !isEnd(conversion.state)) {
    const canceled = await call<Conversion | null>("DELETE", `v1/conversions/${conversion.id}`);
    // A running conversion is canceled within seconds; an event reports it.
    if (canceled && entry.conversion?.id === conversion.id) learn(canceled);
  }
  if (uploadId && entry.step !== "sent") await dropUpload(uploadId);
  if (!conversion) entry.trouble = { code: "canceled", detail: "", retryable: true };
  keep();
}

/** Shows in all tabs a response of the service. */
function learn(conversion: Conversion): void {
  const news: News = { kind: "conversion", conversion };
  postToTabs(owner, news);
  take(news);
}

async function stop(entry: Entry): Promise<void> {
  await halt(entry);
  await kept.releaseFile(entry.id);
}

/** Stops the work on an entry. Its file stays stored. */
async function halt(entry: Entry): Promise<void> {
  entry.stopper.abort();
  if (entry.step === "uploading" || entry.step === "paused") (await import("./sender")).stopSending(entry.id);
}

/** Retries the steps that failed. The first one reads the conversion of a restored row. */
export async function retry(entry: Entry): Promise<void> {
  if (entry.conversionId && !entry.conversion) {
    if (!(await readConversion(entry))) return remove(entry);
    entry.trouble = null;
    if (entry.step === "sent") return pump();
  }
  const { conversion: failed, step } = entry;
  entry.trouble = null;
  entry.progress = null;
  if (failed && isEnd(failed.state) && entry.step === "sent") {
    learn(await call<Conversion>("POST", `v1/conversions/${failed.id}/retry`));
  } else {
    const isThere = entry.uploadId !== null && !failed?.ended_at && (await storedBytes(entry.uploadId)) !== null;
    if (entry.step !== step) return; // it was given its file meanwhile, and runs
    if (!isThere) {
      [entry.uploadId, entry.sentBytes] = [null, 0];
      entry.forgetConversion();
    }
    entry.step = entry.file ? "next" : "lost";
    if (entry.file) entry.claim();
    else entry.sender = null;
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
  keep();
}

/** Removes an entry from the list of all tabs. Its conversion stays in the history. */
export function remove(entry: Entry): void {
  postToTabs(owner, { kind: "removed", id: entry.id });
  drop(entry);
}

function drop(entry: Entry): void {
  if (entry.sender === TAB) void stop(entry);
  sync.forget(entry);
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

/** Names the MP3 for its download. */
export function rename(entry: Entry, name: string): void {
  entry.chosenName = name;
  keep();
}

export function move(entry: Entry, places: number): void {
  entries = moved(entries, entry, places);
  keep();
}

function keep(): void {
  if (!owner || !isRestored) return;
  const rows = entries.map((entry) => entry.kept());
  kept.keepList(owner, rows);
}

/** Restores the stored queue of this account, and asks the other tabs for theirs. */
export async function restore(userId: string): Promise<void> {
  if (owner === userId) return;
  await leave(userId);
  owner = userId;
  postToTabs(owner, { kind: "hello" });
  const found = await Promise.all(kept.keptList(userId).map(restored));
  if (owner !== userId) return;
  const known = new Set(entries.map((entry) => entry.id));
  const added = found.filter((entry): entry is Entry => entry !== null && !known.has(entry.id));
  // The other tabs know these; what was stored may be older than what they know.
  for (const entry of added) sync.isKnown(entry);
  entries = [...added, ...entries];
  isRestored = true;
  for (const entry of added) succeed(entry.sender);
  pump();
}

/** Clears the queue at sign-out. Uploads and conversions stay in the service. */
export async function clear(): Promise<void> {
  postToTabs(owner, { kind: "cleared" });
  await wipe();
}

async function wipe(): Promise<void> {
  await leave(null);
  await kept.forgetAll();
}

/** Drops the queue of another account. It stays stored. */
export async function leave(userId: string | null): Promise<void> {
  if (!owner || owner === userId) return;
  const mine = entries.filter((entry) => entry.sender === TAB && !entry.isEnded);
  [entries, owner, isRestored] = [[], null, false];
  for (const entry of mine) await halt(entry);
}
