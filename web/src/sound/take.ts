/** Takes the sound out of a video before it is sent: nothing is decoded, nothing is lost but the picture. */

import { cutMatroska } from "./matroska.ts";
import { findMp4Sound } from "./mp4.ts";
import { readRanges, Source, Unfit } from "./source.ts";

/** Why a file goes as a whole. */
export type Why = "not_such_a_file" | "no_gain" | "unreadable";

export interface Taken {
  /** The sound, in a container of the same kind, by the video's name. */
  file: File;
  savedBytes: number;
  /** Names the content, in hexadecimal digits; empty where the browser cannot hash, which is on plain http. */
  hash: string;
}

const PIECE_BYTES = 1024 ** 2;
/** Where less than this is saved, the whole file goes. */
const LEAST_GAIN = 0.1;

/**
 * Takes the sound out of an MP4, MOV, MKV or WebM file.
 *
 * Memory does not grow with the file: what is read goes on to blobs, which browsers keep on the disk where they are large.
 *
 * @param onProgress is called with percents, from 0 to 100
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
    // The file was moved or changed meanwhile; whoever sends it whole will see that too.
    if (error instanceof DOMException) return { why: "unreadable" };
    throw error;
  }
}

function isMatroska(start: Uint8Array): boolean {
  return start[0] === 0x1a && start[1] === 0x45 && start[2] === 0xdf && start[3] === 0xa3;
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

/** What was taken so far, in blobs of one size but for the last. */
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

  /** Throws `NoGain` where that many bytes are not worth the effort. */
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

  /** Returns all that was added, behind a head. */
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
    // Only https and this machine have it; elsewhere the upload is named as whole files are.
    if (globalThis.isSecureContext !== false) this.#digests.push(await crypto.subtle.digest("SHA-256", piece));
  }
}
