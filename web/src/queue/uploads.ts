// Uploads in the service. An upload is created first, so that a conversion can refer to it before the first byte is sent.

import { address, call, Problem, send } from "../api/client";

const TUS = { "Tus-Resumable": "1.0.0" };

/** Creates an upload of that name and size. Returns its id. */
export async function makeUpload(name: string, sizeBytes: number, signal?: AbortSignal): Promise<string> {
  const headers = { ...TUS, "Upload-Length": String(sizeBytes), "Upload-Metadata": `filename ${base64(name)}` };
  const extras = signal ? { headers, signal } : { headers };
  const answer = await send("POST", "v1/uploads", undefined, extras);
  // Only the id: behind a proxy, the URL may differ from what the page sees.
  const id = answer.headers.get("Location")?.split("/").pop();
  if (!id) throw new Problem(502, { code: "bad_answer" });
  return id;
}

export function uploadAddress(id: string): string {
  return address(`v1/uploads/${id}`);
}

/** Returns how many bytes of an upload are stored; null if the upload was deleted. */
export async function storedBytes(id: string): Promise<{ received_bytes: number; state: string } | null> {
  try {
    return await call("GET", `v1/uploads/${id}`);
  } catch (problem) {
    if (problem instanceof Problem && (problem.status === 404 || problem.status === 410)) return null;
    throw problem;
  }
}

/** Deletes an upload. Ignores that it was already deleted or that a conversion still needs it. */
export async function dropUpload(id: string): Promise<void> {
  try {
    await call("DELETE", `v1/uploads/${id}`, undefined, { headers: TUS });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
  }
}

/** Base64 of the text as UTF-8. */
export function base64(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}
