// Starts the uploads: a few at a time in all tabs together. Later ones wait for room.

import { Problem } from "../api/client";
import { preferences } from "../preferences.svelte";
import type { Entry } from "./entry.svelte";
import * as kept from "./kept";
import { keep, queue } from "./list.svelte";
import { advance, canWait, type Surroundings } from "./steps";

/** Uploads of all tabs at the same time. */
const AT_ONCE = 2;
const ROOM_AFTER_MS = 5000;
/** A tab that sends a file reports it every second or so. Browsers freeze tabs, so the others do not wait forever. */
const SILENT_MS = 15_000;

/** The browser copies what it stores, so of the files that wait it stores so much. */
const MAX_WAITING_BYTES = 1024 * 1024 * 1024;

let roomTimer: ReturnType<typeof setTimeout> | undefined;
const held = new WeakSet<Entry>();
let silenceTimer: ReturnType<typeof setTimeout> | undefined;

/** Stores the list, and starts the next entries up to the limit of parallel uploads. */
export function pump(): void {
  keep();
  const { entries } = queue;
  const next = entries.filter((entry) => entry.phase === "next" && !entry.isElsewhere && !roomTimer);
  if (!next.length) return;
  const active = entries.filter((entry) => entry.phase === "uploading" || entry.phase === "taking");
  const others = active.filter((entry) => entry.isElsewhere);
  const heard = others.filter((entry) => performance.now() - entry.heardMs < SILENT_MS);
  const free = AT_ONCE - (active.length - others.length + heard.length);
  for (const entry of next.slice(0, Math.max(0, free))) void run(entry);
  if (free <= 0 && heard.length) silenceTimer ??= setTimeout(() => ((silenceTimer = undefined), pump()), SILENT_MS);
}

/** Does not wait any longer for room or for the connection. */
export function pumpNow(): void {
  clearTimeout(roomTimer);
  roomTimer = undefined;
  pump();
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
      roomTimer = setTimeout(pumpNow, ROOM_AFTER_MS);
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

/** Stores the files that wait, in their order, so that they outlast a reload of the page as those in progress do. */
export async function holdWaiting(): Promise<void> {
  let bytes = 0;
  for (const entry of queue.entries) {
    if (entry.phase !== "next" || !entry.file) continue;
    bytes += entry.size;
    if (bytes > MAX_WAITING_BYTES) return;
    // Meanwhile it may have been started or removed.
    if (!held.has(entry) && queue.entries.includes(entry)) await kept.holdFile(entry.id, entry.file);
    held.add(entry);
  }
}

/** Stops the work on an entry. Its file stays stored. */
export async function halt(entry: Entry): Promise<void> {
  entry.stopper.abort();
  if (entry.step === "uploading" || entry.step === "paused") (await import("./sender")).stopSending(entry.id);
}

/** The same, and its file is no longer stored. */
export async function stop(entry: Entry): Promise<void> {
  await halt(entry);
  await kept.releaseFile(entry.id);
}
