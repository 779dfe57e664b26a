/** Extracts the audio of a video before the upload: nothing is decoded, only the video is left out. */

import { cutMatroska, isMatroska } from "./matroska.ts";
import { findMp4Sound } from "./mp4.ts";
import { readRanges, Source, Unfit } from "./source.ts";

/** The reason why the whole file is uploaded. */
export type Why = "not_such_a_file" | "no_gain" | "unreadable";

export interface Taken {
  /** The audio, in a container of the same kind, with the video's name. */
  file: File;
  savedBytes: number;
  /** SHA-256 of the content, in hexadecimal; empty on plain http, where browsers cannot hash. */
  hash: string;
}

const PIECE_BYTES = 1024 ** 2;
/** The whole file is uploaded if extraction saves less than this. */
const LEAST_GAIN = 0.1;

/**
 * Extracts the audio of an MP4, MOV, MKV or WebM file.
 *
 * Memory does not grow with the file: the data goes to blobs, and browsers keep large blobs on disk.
 *
 * @param onProgress receives percentages from 0 to 100
 * @throws the signal's reason when it is aborted
 */
export async function takeSound(
  file: File,
  signal?: AbortSignal,
  onProgress?: (percent: number) => void,
): Promise<Taken | { why: Why }> {
  const source = new Source(file);
  const pieces = new Pieces(file.size * (1 - LEAST_GAIN), signal);
  try {
    const start = await source.read(0, 12, 12);
    const head = await (isMatroska(start) ? takeMatroska : takeMp4)(source, pieces, (percent) => onProgress?.(percent));
    const { blobs, hash } = await pieces.end(head);
    const taken = new File(blobs, file.name, { type: file.type, lastModified: file.lastModified });
    return { file: taken, savedBytes: file.size - taken.size, hash };
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof NoGain) return { why: "no_gain" };
    if (error instanceof Unfit) return { why: "not_such_a_file" };
    // The file was moved or changed meanwhile. The upload of the whole file will report that too.
    if (error instanceof DOMException) return { why: "unreadable" };
    throw error;
  }
}

type Head = Uint8Array<ArrayBuffer>;

async function takeMp4(source: Source, pieces: Pieces, onProgress: (percent: number) => void): Promise<Head> {
  const { head, ranges } = await findMp4Sound(source);
  const total = ranges.reduce((sum, [start, end]) => sum + end - start, 0);
  pieces.expect(head.length + total);
  let done = 0;
  for await (const bytes of readRanges(source, ranges)) {
    await pieces.add(bytes);
    done += bytes.length;
    onProgress((100 * done) / total);
  }
  return head;
}

async function takeMatroska(source: Source, pieces: Pieces, onProgress: (percent: number) => void): Promise<Head> {
  return cutMatroska(
    source,
    (piece) => pieces.add(piece),
    (offset) => onProgress((100 * offset) / source.size),
  );
}

class NoGain extends Error {}

/** The data extracted so far, in blobs of equal size except the last. */
class Pieces {
  #blobs: Blob[] = [];
  #digests: ArrayBuffer[] = [];
  #buffer = new Uint8Array(PIECE_BYTES);
  #filled = 0;
  #size = 0;
  #limit: number;
  #signal: AbortSignal | undefined;

  constructor(limitBytes: number, signal?: AbortSignal) {
    this.#limit = limitBytes;
    this.#signal = signal;
  }

  /** Throws `NoGain` if the result would save too little. */
  expect(size: number): void {
    if (size > this.#limit) throw new NoGain();
  }

  async add(bytes: Uint8Array): Promise<void> {
    this.#signal?.throwIfAborted();
    this.#size += bytes.length;
    this.expect(this.#size);
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + this.#buffer.length - this.#filled);
      this.#buffer.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled === this.#buffer.length) await this.#close();
    }
  }

  /** Returns all data that was added, after a header. */
  async end(head: Uint8Array<ArrayBuffer>): Promise<{ blobs: Blob[]; hash: string }> {
    this.expect(this.#size + head.length);
    await this.#close();
    await this.#digest(head);
    const digest = this.#digests.length
      ? await crypto.subtle.digest("SHA-256", await new Blob(this.#digests).arrayBuffer())
      : null;
    const hash = digest
      ? Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")
      : "";
    return { blobs: [new Blob([head]), ...this.#blobs], hash };
  }

  async #close(): Promise<void> {
    const piece = this.#buffer.subarray(0, this.#filled);
    await this.#digest(piece);
    this.#blobs.push(new Blob([piece]));
    this.#filled = 0;
  }

  async #digest(piece: Uint8Array<ArrayBuffer>): Promise<void> {
    // crypto.subtle exists on https and localhost only. Elsewhere the upload is identified like a whole file.
    if (globalThis.isSecureContext !== false) this.#digests.push(await crypto.subtle.digest("SHA-256", piece));
  }
}
