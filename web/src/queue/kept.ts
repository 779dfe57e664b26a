// The stored queue, which survives a reload of the page: the list is in localStorage, the files, if
// small enough to be copied, are in IndexedDB. Each account has its own list.

import { receivedCache } from "../installed/cache";
import type { Kept } from "./fields";

const LIST = "video2mp3.queue";
const MAX_KEPT = 2000;
/** The browser copies each stored file; copying larger files would be noticeable. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

export function keepList(userId: string, items: readonly Kept[]): void {
  try {
    localStorage.setItem(`${LIST}.${userId}`, JSON.stringify(items.slice(0, MAX_KEPT)));
  } catch {
    // The browser's storage is full. The list as it was last stored stays, and this tab goes on.
  }
}

export function keptList(userId: string): Kept[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(`${LIST}.${userId}`) ?? "[]");
    return Array.isArray(found) ? found.filter(isKept) : [];
  } catch {
    return [];
  }
}

function isKept(item: unknown): item is Kept {
  const kept = item as Partial<Kept> | null;
  return typeof kept?.id === "string" && typeof kept.name === "string" && typeof kept.sizeBytes === "number";
}

/** Whether the chosen file has the properties (name, size, date) of the file chosen before. */
export function isSameFile(kept: { name: string; sizeBytes: number; lastModified: number }, file: File): boolean {
  return kept.name === file.name && kept.sizeBytes === file.size && kept.lastModified === file.lastModified;
}

/** Deletes the stored queues of all accounts, and what other apps have shared and nobody has taken, at sign-out. */
export async function forgetAll(): Promise<void> {
  for (const key of Object.keys(localStorage)) if (key.startsWith(`${LIST}.`)) localStorage.removeItem(key);
  await inFiles("readwrite", (files) => files.clear());
  if ("caches" in window) await caches.delete(receivedCache());
}

/** Stores a file if it is small enough and the browser allows it. */
export async function holdFile(id: string, file: File): Promise<void> {
  if (file.size <= MAX_FILE_BYTES) await inFiles("readwrite", (files) => files.put(file, id));
}

export async function heldFile(id: string): Promise<File | null> {
  const found: unknown = await inFiles("readonly", (files) => files.get(id));
  return found instanceof File ? found : null;
}

export async function releaseFile(id: string): Promise<void> {
  await inFiles("readwrite", (files) => files.delete(id));
}

/** Accesses the stored files. In private windows or on a full disk, nothing is stored. */
async function inFiles(mode: IDBTransactionMode, act: (files: IDBObjectStore) => IDBRequest): Promise<unknown> {
  try {
    const database = await opened();
    try {
      return await answerOf(act(database.transaction("files", mode).objectStore("files")));
    } finally {
      database.close();
    }
  } catch {
    return undefined;
  }
}

async function opened(): Promise<IDBDatabase> {
  const request = indexedDB.open("video2mp3", 1);
  request.onupgradeneeded = () => request.result.createObjectStore("files");
  return answerOf(request);
}

function answerOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("IndexedDB"));
  });
}
