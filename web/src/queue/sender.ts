// Uploads files with Uppy and its tus client, which resume after interruptions. Loaded when the first file is chosen.

import Uppy from "@uppy/core";
import Tus from "@uppy/tus";
import { Problem } from "../api/client";
import type { ProblemBody } from "../api/types";

/** Retries for an hour with growing pauses: a closed laptop, a restarting service. */
const RETRY_DELAYS_MS = [500, 1000, 2000, 4000, 8000, 15_000, ...Array.from({ length: 120 }, () => 30_000)];

type Meta = Record<string, string>;
type Body = { xhr: XMLHttpRequest };

interface Sending {
  onProgress(sentBytes: number): void;
  resolve(): void;
  reject(problem: unknown): void;
}

const uppy = new Uppy<Meta, Body>({ autoProceed: false });
uppy.use(Tus<Meta, Body>, {
  endpoint: "",
  retryDelays: RETRY_DELAYS_MS,
  limit: 4,
  // The queue knows the URLs of uploads.
  storeFingerprintForResuming: false,
  allowedMetaFields: [],
});

/** The running uploads, by Uppy's file id. */
const sendings = new Map<string, Sending>();
const uppyIds = new Map<string, string>();

uppy.on("upload-progress", (file, progress) => {
  if (file) sendings.get(file.id)?.onProgress(progress.bytesUploaded || 0);
});
uppy.on("upload-success", (file) => {
  if (file) ended(file.id)?.resolve();
});
uppy.on("upload-error", (file, error, response) => {
  if (file) ended(file.id)?.reject(problemOf(error, response?.status, response?.body?.xhr));
});

function ended(uppyId: string): Sending | undefined {
  const sending = sendings.get(uppyId);
  sendings.delete(uppyId);
  for (const [id, each] of uppyIds) if (each === uppyId) uppyIds.delete(id);
  return sending;
}

/** Sends a file to an existing upload, from its current offset. Resolves after the last byte. */
export function sendFile(
  id: string,
  file: File,
  uploadUrl: string,
  onProgress: (sentBytes: number) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const uppyId = uppy.addFile({ name: file.name, type: file.type, data: file, meta: { relativePath: id } });
    uppy.setFileState(uppyId, { tus: { uploadUrl } as never });
    uppyIds.set(id, uppyId);
    sendings.set(uppyId, { onProgress, resolve, reject });
    const forget = () => uppy.getFile(uppyId) && uppy.removeFile(uppyId);
    uppy.upload().then(forget, forget); // the events report the outcome
  });
}

export function pauseSending(id: string, isPaused: boolean): void {
  const uppyId = uppyIds.get(id);
  if (uppyId && uppy.getFile(uppyId)?.isPaused !== isPaused) uppy.pauseResume(uppyId);
}

/** Stops sending. The queue decides about the upload in the service. The returned promise stays pending. */
export function stopSending(id: string): void {
  const uppyId = uppyIds.get(id);
  if (!uppyId) return;
  // Otherwise Uppy would delete the upload, and its errors could not be caught.
  const upload = uppy.getPlugin<Tus<Meta, Body>>("Tus")?.uploaders[uppyId];
  if (upload) upload.url = null;
  sendings.delete(uppyId);
  uppyIds.delete(id);
  uppy.removeFile(uppyId);
}

function problemOf(error: Error, status = 0, xhr?: XMLHttpRequest): unknown {
  const found = status || xhr?.status || 0;
  try {
    return new Problem(found, JSON.parse(xhr?.responseText ?? "{}") as Partial<ProblemBody>);
  } catch {
    return found || "isNetworkError" in error ? new Problem(found, {}) : error;
  }
}
