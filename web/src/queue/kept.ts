// What is remembered of the queue when the page is loaded again: the list in localStorage, the files, as far as they are
// small enough to be copied, in IndexedDB. Each account has a list of its own.

import type { Options } from "../api/types";

export interface Kept {
  id: string;
  name: string;
  sizeBytes: number;
  lastModified: number;
  options: Options;
  uploadId: string | null;
  /** What is sent: the file, or the sound of it. */
  upload: { sizeBytes: number; hash: string; isSound: boolean } | null;
  isSent: boolean;
  conversionId: string | null;
}

const LIST = "video2mp3.queue";
const MAX_KEPT = 200;
/** The browser copies what it keeps; more would be felt. */
const MAX_FILE_BYTES = 256 * 1024 * 1024;

export function keepList(userId: string, items: readonly Kept[]): void {
  localStorage.setItem(`${LIST}.${userId}`, JSON.stringify(items.slice(0, MAX_KEPT)));
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

/** Whether a file that was chosen now is, by all that a browser tells, the one that was chosen before. */
export function isSameFile(kept: { name: string; sizeBytes: number; lastModified: number }, file: File): boolean {
  return kept.name === file.name && kept.sizeBytes === file.size && kept.lastModified === file.lastModified;
}

/** Forgets everything of every account: for whoever signs out. */
export async function forgetAll(): Promise<void> {
  for (const key of Object.keys(localStorage)) if (key.startsWith(`${LIST}.`)) localStorage.removeItem(key);
  await inFiles("readwrite", (files) => files.clear());
}

/** Keeps a file, where it is small enough and the browser lets us. */
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

/** Does something with the kept files. Where that is not possible (private windows, a full disk) nothing is kept. */
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
