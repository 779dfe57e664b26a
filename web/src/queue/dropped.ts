// The files of a drop or paste, including those in folders.

import suffixes from "./suffixes.json";

const MEDIA = new Set(suffixes);
const MAX_FILES = 2000;

/** The MIME types and extensions for a file picker. */
export const ACCEPTED = ["video/*", "audio/*", ...suffixes].join(",");

/** Only media files are taken from a folder: pictures and texts beside a video are not meant. */
export function isMedia(file: { name: string; type: string }): boolean {
  if (file.name.startsWith(".")) return false;
  const suffix = file.name.slice(file.name.lastIndexOf(".")).toLowerCase();
  return /^(video|audio)\//.test(file.type) || MEDIA.has(suffix);
}

/** Of files in dropped folders: browsers do not say them in `webkitRelativePath`. */
const paths = new WeakMap<File, string>();

/** Returns the folder that a file was chosen or dropped with, such as `Talks/Day 2`; empty if it came alone. */
export function folderOf(file: File): string {
  const path = paths.get(file) ?? file.webkitRelativePath;
  return path.split("/").slice(0, -1).join("/");
}

/** Returns the files. Reads the DataTransfer synchronously, because it is valid during the event only. */
export async function filesIn(transfer: DataTransfer): Promise<File[]> {
  const entries = [...transfer.items].map((item) => (item.kind === "file" ? item.webkitGetAsEntry?.() : null) ?? null);
  const plain = [...transfer.files];
  if (!entries.some((entry) => entry?.isDirectory)) return plain;
  const files: File[] = [];
  for (const entry of entries) if (entry) await collect(entry, files, entry.isDirectory);
  return files;
}

async function collect(entry: FileSystemEntry, files: File[], isInFolder: boolean): Promise<void> {
  if (files.length >= MAX_FILES) return;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    if (isInFolder) paths.set(file, entry.fullPath.slice(1));
    if (!isInFolder || isMedia(file)) files.push(file);
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const inside: FileSystemEntry[] = [];
  // The browser returns at most 100 entries per call.
  for (;;) {
    const more = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!more.length) break;
    inside.push(...more);
  }
  inside.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  for (const each of inside) await collect(each, files, true);
}
