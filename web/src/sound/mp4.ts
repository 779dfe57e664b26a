/**
 * Extracts the audio of an MP4 or MOV file.
 *
 * The index (`moov`) is copied byte for byte, except that other tracks are left out and chunk offsets are
 * rewritten. So edit lists, priming, tags, chapters and all audio tracks survive, and decoders return
 * the same samples. The service does the same with videos that it downloads (`engine/containers/mp4_audio.py`).
 * Source: ISO/IEC 14496-12, §8.
 */

import { Unfit, type Range, type Source } from "./source.ts";

/** The header to write, and the ranges of the source file that follow it, in this order. */
export interface Mp4Sound {
  head: Uint8Array<ArrayBuffer>;
  ranges: Range[];
}

const MAX_INDEX_BYTES = 64 * 1024 ** 2;
const MAX_SAMPLES = 8 * 1024 ** 2;
const MAX_BOXES = 64;
const MAX_SIZE_BYTES = 2 ** 32 - 1;
/** A text track holds the chapter titles. */
const KEPT_HANDLERS = ["soun", "text"];
/** Top-level boxes that hold no part of the index. With any other box, such as a fragment, the whole file is needed. */
const PASSED_OVER = ["mdat", "free", "skip", "wide"];
const MDAT_HEAD_BYTES = 16;
/** Where all sound starts this late, the video's start may be the zero of the file's clock, which is 10 s at most. */
const LATE_S = 9;

export interface Box {
  kind: string;
  start: number;
  body: number;
  end: number;
}

/** A chunk offset table in the index, and its entries. */
interface Chunks {
  table: number;
  wide: boolean;
  offsets: number[];
  sizes: number[];
}

/** Finds the audio. Throws `Unfit` if it cannot be extracted. The file is untrusted. */
export async function findMp4Sound(source: Source): Promise<Mp4Sound> {
  const found = new Map<string, Uint8Array<ArrayBuffer>>();
  let offset = 0;
  for (let boxes = 0; offset < source.size; boxes++) {
    const head = await source.read(offset, offset + 16, 16);
    const box = readBox(view(head), 0, source.size - offset, 0);
    if (boxes === MAX_BOXES) throw new Unfit("many boxes");
    if ((box.kind === "ftyp" || box.kind === "moov") && !found.has(box.kind) && box.end <= MAX_INDEX_BYTES) {
      found.set(box.kind, (await source.whole(offset, offset + box.end)).slice());
    } else if (!PASSED_OVER.includes(box.kind)) {
      throw new Unfit(`a box ${box.kind}`);
    }
    offset += box.end;
  }
  const type = found.get("ftyp");
  const index = found.get("moov");
  if (!type || !index) throw new Unfit("no index");
  try {
    return withoutVideo(type, index, source.size);
  } catch (error) {
    if (error instanceof RangeError) throw new Unfit("a damaged index"); // a read beyond its end
    throw error;
  }
}

function withoutVideo(type: Uint8Array, index: Uint8Array<ArrayBuffer>, size: number): Mp4Sound {
  const data = view(index);
  const moov = readBox(data, 0, index.length);
  const kept: Box[] = [];
  const tracks: Chunks[] = [];
  let chapters = false;
  let chaptersLeftOut = false;
  const starts: number[] = [];
  let timeScale = 0;
  for (const box of children(data, moov)) {
    if (box.kind === "mvhd") timeScale = data.getUint32(box.body + (data.getUint8(box.body) === 1 ? 20 : 12));
    if (box.kind === "mvex" || box.kind === "cmov") throw new Unfit("fragments, or a compressed index");
    if (box.kind !== "trak") {
      kept.push(box);
      continue;
    }
    const media = child(data, box, "mdia");
    const kind = fourCharacters(data, child(data, media, "hdlr").body + 8);
    const leads = leadsToChapters(data, box);
    if (!KEPT_HANDLERS.includes(kind)) {
      chaptersLeftOut ||= leads;
      continue;
    }
    chapters ||= leads;
    if (kind === "soun") starts.push(emptyEdits(data, box));
    // In QuickTime files the constant sample size is not always in bytes.
    const sized = kind !== "soun" || fourCharacters(view(type), 8) !== "qt  ";
    tracks.push(readChunks(data, media, sized));
    kept.push(box);
  }
  if (!starts.length) throw new Unfit("no sound");
  if (Math.min(...starts) > LATE_S * timeScale) throw new Unfit("sound that starts late");
  if (chaptersLeftOut && !chapters) throw new Unfit("chapters that only the video leads to");

  const ranges = uniqueRanges(tracks, size);
  const indexSize = 8 + kept.reduce((sum, box) => sum + box.end - box.start, 0);
  const moved = new Map<number, number>();
  let place = type.length + indexSize + MDAT_HEAD_BYTES;
  for (const [start, end] of ranges) {
    moved.set(start, place);
    place += end - start;
  }
  if (place > MAX_SIZE_BYTES) throw new Unfit("more than 4 GB of sound");
  for (const { table, wide, offsets } of tracks) {
    offsets.forEach((offset, number) => {
      const there = moved.get(offset) ?? 0; // the offset of an empty chunk has no meaning
      if (wide) data.setBigUint64(table + 8 * number, BigInt(there));
      else data.setUint32(table + 4 * number, there);
    });
  }

  const head = new Uint8Array(type.length + indexSize + MDAT_HEAD_BYTES);
  const written = view(head);
  head.set(type);
  let at = type.length;
  written.setUint32(at, indexSize);
  head.set(ascii("moov"), at + 4);
  at += 8;
  for (const box of kept) {
    head.set(index.subarray(box.start, box.end), at);
    at += box.end - box.start;
  }
  written.setUint32(at, 1); // the size follows, in 64 bits
  head.set(ascii("mdat"), at + 4);
  written.setBigUint64(at + 8, BigInt(MDAT_HEAD_BYTES + place - head.length));
  return { head, ranges };
}

/** Returns the sorted audio ranges. Two tracks may share a chunk, but chunks must not overlap. */
function uniqueRanges(tracks: Chunks[], size: number): Range[] {
  const all: Range[] = tracks.flatMap(({ offsets, sizes }) =>
    offsets
      .map((offset, number): Range => [offset, offset + (sizes[number] ?? 0)])
      .filter(([start, end]) => end > start),
  );
  all.sort((one, other) => one[0] - other[0] || one[1] - other[1]);
  const ranges: Range[] = [];
  let reached = 0;
  for (const range of all) {
    const last = ranges.at(-1);
    if (last && last[0] === range[0] && last[1] === range[1]) continue;
    if (range[0] < reached) throw new Unfit("overlapping chunks");
    reached = range[1];
    ranges.push(range);
  }
  if (!ranges.length || reached > size) throw new Unfit("chunks beyond the end");
  return ranges;
}

function leadsToChapters(data: DataView, track: Box): boolean {
  return [...children(data, track)].some(
    (box) => box.kind === "tref" && [...children(data, box)].some(({ kind }) => kind === "chap"),
  );
}

/** Returns how long after the movie's start the edit list lets a track start, in units of the movie. */
function emptyEdits(data: DataView, track: Box): number {
  let sum = 0;
  for (const edits of [...children(data, track)].filter(({ kind }) => kind === "edts")) {
    const list = child(data, edits, "elst");
    const wide = data.getUint8(list.body) === 1;
    const entryBytes = wide ? 20 : 12;
    const length = tableLength(data, list, 4, entryBytes);
    for (let number = 0; number < length; number++) {
      const entry = list.body + 8 + number * entryBytes;
      const mediaTime = wide ? data.getBigInt64(entry + 8) : BigInt(data.getInt32(entry + 4));
      if (mediaTime !== -1n) break;
      sum += wide ? Number(data.getBigUint64(entry)) : data.getUint32(entry);
    }
  }
  return sum;
}

function readChunks(data: DataView, media: Box, oneSizeAllowed: boolean): Chunks {
  const information = child(data, media, "minf");
  const boxes = new Map<string, Box>();
  for (const box of children(data, child(data, information, "stbl"))) boxes.set(box.kind, box);
  const [sizesBox, runsBox] = [boxes.get("stsz"), boxes.get("stsc")];
  const wide = boxes.has("co64");
  const places = boxes.get("co64") ?? boxes.get("stco");
  if (!sizesBox || !runsBox || !places) throw new Unfit("a missing table");
  const references = child(data, child(data, information, "dinf"), "dref");
  // One reference, whose flag means "in this file".
  if (data.getUint32(references.body + 4) !== 1 || !(data.getUint8(references.body + 19) & 1)) {
    throw new Unfit("samples in another file");
  }
  const width = wide ? 8 : 4;
  const length = tableLength(data, places, 4, width);
  const table = places.body + 8;
  const offsets = Array.from({ length }, (_, number) =>
    wide ? Number(data.getBigUint64(table + 8 * number)) : data.getUint32(table + 4 * number),
  );
  return { table, wide, offsets, sizes: chunkSizes(data, sizesBox, runsBox, length, oneSizeAllowed) };
}

function chunkSizes(data: DataView, sizesBox: Box, runsBox: Box, chunks: number, oneSizeAllowed: boolean): number[] {
  const oneSize = data.getUint32(sizesBox.body + 4);
  const samples = oneSize ? data.getUint32(sizesBox.body + 8) : tableLength(data, sizesBox, 8, 4);
  if ((oneSize && !oneSizeAllowed) || samples > MAX_SAMPLES) throw new Unfit("samples of one size");
  const runs = tableLength(data, runsBox, 4, 12);
  const firstOf = (run: number) => (run < runs ? data.getUint32(runsBox.body + 8 + 12 * run) : chunks + 1);
  if (!runs || firstOf(0) !== 1) throw new Unfit("a damaged table");
  const sizes: number[] = [];
  let sample = 0;
  for (let run = 0; run < runs; run++) {
    const each = data.getUint32(runsBox.body + 12 + 12 * run);
    if (firstOf(run + 1) <= firstOf(run) && chunks) throw new Unfit("a damaged table");
    for (let chunk = firstOf(run); chunk < firstOf(run + 1); chunk++) {
      if (sample + each > samples) throw new Unfit("a damaged table");
      let size = oneSize * each;
      if (!oneSize) {
        for (let one = sample; one < sample + each; one++) size += data.getUint32(sizesBox.body + 12 + 4 * one);
      }
      sizes.push(size);
      sample += each;
    }
  }
  if (sample !== samples) throw new Unfit("samples without a chunk");
  return sizes;
}

/** Returns the number of entries of a table that starts with version, flags and `skipped` bytes. */
function tableLength(data: DataView, box: Box, skipped: number, entryBytes: number): number {
  const length = data.getUint32(box.body + skipped);
  if (box.body + skipped + 4 + length * entryBytes > box.end) throw new Unfit("a damaged table");
  return length;
}

function child(data: DataView, parent: Box, kind: string): Box {
  const [first, ...more] = [...children(data, parent)].filter((box) => box.kind === kind);
  if (!first || more.length) throw new Unfit(`not one box ${kind}`);
  return first;
}

export function* children(data: DataView, parent: Box): Generator<Box> {
  for (let start = parent.body; start < parent.end;) {
    const box = readBox(data, start, parent.end);
    yield box;
    start = box.end;
  }
}

/** Reads the header of the box at `start`, which must end by `limit`; `at` is its offset in `data`. */
export function readBox(data: DataView, start: number, limit: number, at = start): Box {
  if (at + 8 > data.byteLength) throw new Unfit("a damaged box");
  let size = data.getUint32(at);
  let headSize = 8;
  if (size === 1) {
    if (at + 16 > data.byteLength) throw new Unfit("a damaged box");
    size = Number(data.getBigUint64(at + 8));
    headSize = 16;
  } else if (size === 0) {
    size = limit - start; // 0 means: up to the end
  }
  if (size < headSize || start + size > limit) throw new Unfit("a box that is larger than what it is in");
  return { kind: fourCharacters(data, at + 4), start, body: start + headSize, end: start + size };
}

export function fourCharacters(data: DataView, at: number): string {
  return String.fromCharCode(...[0, 1, 2, 3].map((number) => data.getUint8(at + number)));
}

function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
