// What the page does with one file, from the drop to the last byte. Each step is left out where it was done before.

import { call, Problem } from "../api/client";
import type { Conversion } from "../api/types";
import type { Entry } from "./entry.svelte";
import { Speedometer } from "./phase";
import { makeUpload, uploadAddress } from "./uploads";

export interface Surroundings {
  isSoundWanted(): boolean;
  /** Keeps what is sent, for when the page is loaded again. */
  hold(entry: Entry, file: File): void;
  /** Called when there is something new to be kept of the entry. */
  changed(): void;
  follow(entry: Entry): void;
}

/** Whether the same can succeed when something else of the account's has ended. */
export function needsRoom(problem: Problem): boolean {
  return problem.status === 429 || problem.code === "overloaded";
}

/**
 * Sends a file, and lets it be converted while it is sent.
 *
 * Throws a Problem, or what ended it when its stopper was used.
 */
export async function advance(entry: Entry, surroundings: Surroundings): Promise<void> {
  const { signal } = entry.stopper;
  const file = await fileToSend(entry, surroundings);
  signal.throwIfAborted();
  entry.step = "uploading";
  entry.uploadId ??= await makeUpload(entry.name, file.size, signal);
  surroundings.changed();
  surroundings.hold(entry, file);
  if (!entry.conversion && !entry.isHeldBack) {
    // The same key again makes no second conversion, where the answer was lost on its way.
    const extras = { signal, headers: { "Idempotency-Key": `page-${entry.uploadId}` } };
    const order = { upload_id: entry.uploadId, options: entry.options };
    entry.conversion = await call<Conversion>("POST", "v1/conversions", order, extras);
    surroundings.changed();
  }
  surroundings.follow(entry);
  const { sendFile } = await import("./sender");
  signal.throwIfAborted();
  const speedometer = new Speedometer();
  await sendFile(entry.id, file, uploadAddress(entry.uploadId), (sentBytes) => {
    entry.sentBytes = sentBytes;
    entry.speedBps = speedometer.add(sentBytes, performance.now());
  });
  entry.step = "sent";
  entry.speedBps = null;
  surroundings.changed();
}

/** Returns the file, or the sound of it where that is wanted, possible and, for an upload that goes on, the same as before. */
async function fileToSend(entry: Entry, { isSoundWanted }: Surroundings): Promise<File> {
  const { file, upload } = entry;
  if (!file) throw new Problem(0, { code: "file_lost" });
  // The browser held what is sent, not what it was taken from.
  if (upload && file.size === upload.sizeBytes) return file;
  // Its cover is to be a picture of the video.
  const needsPicture = typeof entry.options.cover_at_s === "number";
  if (upload ? upload.isSound : isSoundWanted() && !needsPicture) {
    entry.step = "taking";
    const { takeSound } = await import("../sound/index");
    const taken = await takeSound(file, entry.stopper.signal, (percent) => (entry.takenPercent = percent));
    if ("file" in taken) {
      const found = { sizeBytes: taken.file.size, hash: taken.hash, isSound: true };
      if (upload && (found.sizeBytes !== upload.sizeBytes || (upload.hash && found.hash !== upload.hash))) {
        throw new Problem(0, { code: "other_file" });
      }
      entry.upload = found;
      return taken.file;
    }
  }
  if (upload && file.size !== upload.sizeBytes) throw new Problem(0, { code: "other_file" });
  entry.upload = { sizeBytes: file.size, hash: "", isSound: false };
  return file;
}
