// The service's side of an upload: it is made first, so that a conversion can name it before the first byte is sent.

import { address, call, Problem, send } from "../api/client";

const TUS = { "Tus-Resumable": "1.0.0" };

/** Makes an upload of that name and size; returns its id. */
export async function makeUpload(name: string, sizeBytes: number, signal?: AbortSignal): Promise<string> {
  const headers = { ...TUS, "Upload-Length": String(sizeBytes), "Upload-Metadata": `filename ${base64(name)}` };
  const extras = signal ? { headers, signal } : { headers };
  const answer = await send("POST", "v1/uploads", undefined, extras);
  // Only the id: whatever the address looks like from behind a proxy, from here it is relative to the page.
  const id = answer.headers.get("Location")?.split("/").pop();
  if (!id) throw new Problem(502, { code: "bad_answer" });
  return id;
}

export function uploadAddress(id: string): string {
  return address(`v1/uploads/${id}`);
}

/** Returns how much of an upload is stored; null where there is no such upload any more. */
export async function storedBytes(id: string): Promise<{ received_bytes: number; state: string } | null> {
  try {
    return await call("GET", `v1/uploads/${id}`);
  } catch (problem) {
    if (problem instanceof Problem && (problem.status === 404 || problem.status === 410)) return null;
    throw problem;
  }
}

/** Gives an upload up; that it is gone already, or still needed by a conversion, is nobody's trouble. */
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
