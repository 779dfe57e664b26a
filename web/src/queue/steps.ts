// The steps for one file, from the drop to the last byte. Steps that were done before are skipped.

import { call, Problem } from "../api/client";
import type { Conversion } from "../api/types";
import { KEPT, requestOf } from "../options/request";
import type { Entry } from "./entry.svelte";
import { replaceConversion } from "./replacing";
import { Speedometer } from "./phase";
import { makeUpload, uploadAddress } from "./uploads";

export interface Surroundings {
  isSoundWanted(): boolean;
  /** Stores the file, then what is uploaded of it, so that a reload of the page can resume. */
  hold(entry: Entry, file: File): void;
  /** Called when the stored state of the entry has to change. */
  changed(): void;
}

/** Whether a retry can succeed without the user: when another upload or conversion of the account has ended, or online. */
export function canWait(problem: Problem): boolean {
  return problem.status === 429 || problem.code === "overloaded" || problem.code === "no_connection";
}

/**
 * Uploads a file and requests its conversion at the same time.
 *
 * Throws a Problem, or the reason of its AbortController.
 */
export async function advance(entry: Entry, surroundings: Surroundings): Promise<void> {
  const { signal } = entry.stopper;
  if (entry.file) surroundings.hold(entry, entry.file);
  if (entry.file && !entry.tracks.length) {
    const tracks = await (await import("../sound/index")).readTracks(entry.file);
    if (tracks.length > 1) entry.tracks = tracks;
  }
  if (needsCover(entry)) {
    const { withCover } = await import("../options/covers");
    entry.options = await withCover(entry.options, entry.file);
    surroundings.changed();
  }
  if (entry.url !== null) return convertFromUrl(entry, entry.url, surroundings);
  const file = (entry.content ??= await fileToSend(entry, surroundings));
  signal.throwIfAborted();
  entry.step = "uploading";
  entry.uploadId ??= await makeUpload(entry.name, file.size, signal);
  surroundings.changed();
  if (file !== entry.file) surroundings.hold(entry, file);
  if (!entry.conversion && !entry.isHeldBack) {
    // The same key creates no second conversion if the response was lost.
    const extras = { signal, headers: { "Idempotency-Key": `page-${entry.uploadId}` } };
    const { options } = entry;
    const order = requestOf({ upload_id: entry.uploadId }, options);
    entry.conversion = await call<Conversion>("POST", "v1/conversions", order, extras);
    surroundings.changed();
    // The user has chosen others meanwhile.
    if (entry.options !== options) await replaceConversion(entry, entry.options);
  }
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

/** Requests the conversion of a file that the service downloads, unless it is held back. */
async function convertFromUrl(entry: Entry, url: string, { changed }: Surroundings): Promise<void> {
  if (!entry.isHeldBack) {
    const extras = { signal: entry.stopper.signal, headers: { "Idempotency-Key": `page-${entry.id}` } };
    const order = requestOf({ source: { url } }, entry.options);
    entry.conversion = await call<Conversion>("POST", "v1/conversions", order, extras);
  }
  entry.step = "sent";
  changed();
}

/** Returns the extracted audio if it is wanted, possible and, for a resumed upload, unchanged; else the file. */
async function fileToSend(entry: Entry, { isSoundWanted }: Surroundings): Promise<File> {
  const { file, upload } = entry;
  if (!file) throw new Problem(0, { code: "file_lost" });
  // The browser stored the extracted audio, not the video.
  if (upload && file.size === upload.sizeBytes) return file;
  // The service takes the frame that the browser cannot take.
  if (upload ? upload.isSound : isSoundWanted() && !needsCover(entry)) {
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

/** Whether the cover has yet to be made. The user makes that of a conversion that is held back. */
function needsCover({ options, conversion, isHeldBack }: Entry): boolean {
  return !conversion && (options.cover_upload_id === KEPT || (!isHeldBack && typeof options.cover_at_s === "number"));
}
