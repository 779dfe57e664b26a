/**
 * Extracts the audio of a Matroska or WebM file.
 *
 * Audio blocks and everything that describes them (CodecDelay, DiscardPadding, tags, chapters, pictures) are copied
 * byte for byte; new clusters hold them. The indexes (SeekHead, Cues) are left out: the elements before the
 * clusters can be found without them. Where the sound starts late, each video's first block is kept too, because it may
 * be the zero of the file's clock. Source: RFC 8794 (EBML), RFC 9559 (Matroska).
 */

import { Unfit, type Source } from "./source.ts";

const EBML = 0x1a45dfa3;
const SEGMENT = 0x18538067;
const TRACKS = 0x1654ae6b;
const CLUSTER = 0x1f43b675;
const INFO = 0x1549a966;
const [SEEK_HEAD, CUES, VOID, CRC_32] = [0x114d9b74, 0x1c53bb6b, 0xec, 0xbf];
/** Info, Chapters, Tags, Attachments: none of them holds the position of another. */
const COPIED = [INFO, 0x1043a770, 0x1254c367, 0x1941a469];
const [TIMESTAMP_SCALE, DEFAULT_SCALE_NS] = [0x2ad7b1, 1_000_000];
const [TRACK_ENTRY, TRACK_NUMBER, TRACK_TYPE, VIDEO, SOUND] = [0xae, 0xd7, 0x83, 1, 2];
const [TIMESTAMP, SIMPLE_BLOCK, BLOCK_GROUP, BLOCK] = [0xe7, 0xa3, 0xa0, 0xa1];
/** Position, PrevSize: valid for the source file only. */
const OF_PLACES = [0xa7, 0xab, VOID, CRC_32];
const MAX_HEAD_BYTES = 12;
const MAX_HEADERS_BYTES = 32 * 1024 ** 2;
const MAX_BLOCK_BYTES = 16 * 1024 ** 2;

export interface Element {
  id: number;
  start: number;
  body: number;
  /** Infinity if the size is unknown, as in live recordings. */
  end: number;
}

/** A file that starts by 10 s has its zero at 0, whatever starts first. */
const LATE_NS = 9e9;

/** The sound and video tracks: the elements that describe them, by number, in their order. */
interface Tracks {
  entries: Map<number, Uint8Array<ArrayBuffer>>;
  sounds: Set<number>;
}

/** The part of a cluster that is kept. */
interface Part {
  timestamp: Uint8Array<ArrayBuffer>;
  sounds: Uint8Array<ArrayBuffer>[];
  /** When the first sound starts, in the file's units. */
  soundAt: number;
  /** The first block of each video track. */
  pictures: Uint8Array<ArrayBuffer>[];
  end: number;
}

/** Receives each block of the new file after its header. */
export type Take = (piece: Uint8Array<ArrayBuffer>) => Promise<void>;

/**
 * Reads the file and passes its audio clusters to `take`. Returns the header that precedes them. Throws `Unfit` if
 * the audio cannot be extracted. The file is untrusted.
 */
export async function cutMatroska(
  source: Source,
  take: Take,
  onPlace: (offset: number) => void,
): Promise<Uint8Array<ArrayBuffer>> {
  const type = await readElement(source, 0, source.size);
  if (type.id !== EBML || type.end > MAX_HEADERS_BYTES) throw new Unfit("not Matroska");
  const head = (await source.whole(0, type.end)).slice();
  const segment = await readElement(source, type.end, source.size);
  if (segment.id !== SEGMENT) throw new Unfit("no segment");
  if (segment.end !== Infinity && segment.end !== source.size) throw new Unfit("not one whole segment");

  const headers: Uint8Array<ArrayBuffer>[] = [];
  let tracks: Tracks | undefined;
  let tracksPlace = 0;
  let scaleNs = DEFAULT_SCALE_NS;
  let clustersBytes = 0;
  /** Whether all sound starts late; unknown up to the first of it. */
  let isLate: boolean | undefined;
  /** The video tracks whose first block was found, and clusters with these blocks until there is sound. */
  const seen = new Set<number>();
  let waiting: Uint8Array<ArrayBuffer>[] = [];
  for (let place = segment.body; place < source.size;) {
    const element = await readElement(source, place, source.size);
    onPlace(place);
    if (element.id === CLUSTER) {
      if (!tracks) throw new Unfit("no tracks before the sound");
      const part = await partOfCluster(source, element, tracks, isLate === false ? undefined : seen);
      for (const block of part.pictures) waiting.push(clusterOf([part.timestamp, block]));
      if (part.sounds.length) {
        isLate ??= part.soundAt * scaleNs > LATE_NS;
        const clusters = [...(isLate ? waiting : []), clusterOf([part.timestamp, ...part.sounds])];
        waiting = [];
        for (const cluster of clusters) {
          clustersBytes += cluster.length;
          await take(cluster);
        }
      }
      place = part.end;
      continue;
    }
    if (element.end === Infinity) throw new Unfit("an element without a size");
    if (element.id === TRACKS || COPIED.includes(element.id)) {
      if (lengthOf(headers) + element.end - element.start > MAX_HEADERS_BYTES) throw new Unfit("large headers");
      const bytes = (await source.whole(element.start, element.end)).slice();
      if (element.id === TRACKS) {
        if (tracks) throw new Unfit("tracks told twice");
        tracks = tracksIn(bytes, element.body - element.start);
        tracksPlace = headers.length;
      }
      if (element.id === INFO) scaleNs = scaleIn(bytes, element.body - element.start);
      headers.push(bytes);
    } else if (![SEEK_HEAD, CUES, VOID, CRC_32].includes(element.id)) {
      throw new Unfit(`an element ${element.id.toString(16)}`);
    }
    place = element.end;
  }
  if (!tracks || !clustersBytes) throw new Unfit("no sound");
  const { entries, sounds } = tracks;
  const kept = [...entries].filter(([number]) => sounds.has(number) || (isLate && seen.has(number)));
  const described = kept.map(([, entry]) => entry);
  headers[tracksPlace] = joined([written(TRACKS, lengthOf(described)), ...described]);
  return joined([head, written(SEGMENT, lengthOf(headers) + clustersBytes), ...headers]);
}

export function isMatroska(start: Uint8Array): boolean {
  return start[0] === 0x1a && start[1] === 0x45 && start[2] === 0xdf && start[3] === 0xa3;
}

function scaleIn(info: Uint8Array, body: number): number {
  for (const field of children(info, body, info.length)) {
    if (field.id === TIMESTAMP_SCALE) return unsigned(info.subarray(field.body, field.end));
  }
  return DEFAULT_SCALE_NS;
}

/** Returns the sound and video tracks of the Tracks element. */
function tracksIn(bytes: Uint8Array<ArrayBuffer>, body: number): Tracks {
  const entries = new Map<number, Uint8Array<ArrayBuffer>>();
  const sounds = new Set<number>();
  for (const entry of children(bytes, body, bytes.length)) {
    if (entry.id !== TRACK_ENTRY) continue; // CRC-32 or Void
    let number = 0;
    let type = 0;
    for (const field of children(bytes, entry.body, entry.end)) {
      if (field.id === TRACK_NUMBER) number = unsigned(bytes.subarray(field.body, field.end));
      if (field.id === TRACK_TYPE) type = unsigned(bytes.subarray(field.body, field.end));
    }
    if (type !== SOUND && type !== VIDEO) continue;
    if (!number || entries.has(number)) throw new Unfit("a track without a unique number");
    entries.set(number, bytes.subarray(entry.start, entry.end));
    if (type === SOUND) sounds.add(number);
  }
  if (!sounds.size) throw new Unfit("no sound");
  return { entries, sounds };
}

/**
 * Returns what is kept of a cluster. `seen` collects the video tracks whose first block was found; undefined: none is
 * needed.
 */
async function partOfCluster(
  source: Source,
  cluster: Element,
  { entries, sounds }: Tracks,
  seen: Set<number> | undefined,
): Promise<Part> {
  const found: Uint8Array<ArrayBuffer>[] = [];
  const pictures: Uint8Array<ArrayBuffer>[] = [];
  let timestamp: Uint8Array<ArrayBuffer> | undefined;
  let time = 0;
  let soundOffset = 0;
  let place = cluster.body;
  while (place < Math.min(cluster.end, source.size)) {
    const element = await readElement(source, place, Math.min(cluster.end, source.size));
    // A cluster of unknown size ends before the first element that cannot be inside a cluster.
    if (cluster.end === Infinity && element.id > 0xffff) break;
    if (element.end === Infinity) throw new Unfit("a block without a size");
    if (element.id === TIMESTAMP) {
      if (timestamp) throw new Unfit("a cluster with two times");
      timestamp = (await source.whole(element.start, element.end)).slice();
      time = unsigned(timestamp.subarray(element.body - element.start));
    } else if (element.id === SIMPLE_BLOCK || element.id === BLOCK_GROUP) {
      const { track, offset } = await headOfBlock(source, element);
      const isSound = sounds.has(track);
      if (isSound || (seen && !seen.has(track) && entries.has(track))) {
        if (element.end - element.start > MAX_BLOCK_BYTES) throw new Unfit("a large block");
        const block = (await source.whole(element.start, element.end)).slice();
        if (isSound) {
          if (!found.length) soundOffset = offset;
          found.push(block);
        } else {
          seen?.add(track);
          pictures.push(block);
        }
      } else if (element.end > source.size) {
        throw new Unfit("the file ends too early");
      }
    } else if (!OF_PLACES.includes(element.id)) {
      throw new Unfit(`an element ${element.id.toString(16)} in a cluster`);
    }
    place = element.end;
  }
  if (!timestamp) throw new Unfit("a cluster without a time");
  return { timestamp, sounds: found, soundAt: time + soundOffset, pictures, end: place };
}

/** Returns the track of a block, and its time relative to the cluster's. */
async function headOfBlock(source: Source, element: Element): Promise<{ track: number; offset: number }> {
  let body = element.body;
  if (element.id === BLOCK_GROUP) {
    for (let place = element.body; ;) {
      if (place >= element.end) throw new Unfit("a group without a block");
      const field = await readElement(source, place, element.end);
      if (field.id === BLOCK) {
        body = field.body;
        break;
      }
      place = field.end;
    }
  }
  const head = await source.read(body, body + 10);
  const { value, width } = readNumber(head, 0);
  if (head.length < width + 2) throw new Unfit("a damaged block");
  return { track: value, offset: new DataView(head.buffer, head.byteOffset).getInt16(width) };
}

export async function readElement(source: Source, start: number, limit: number): Promise<Element> {
  const head = await source.read(start, Math.min(start + MAX_HEAD_BYTES, limit));
  return elementAt(head, 0, start, limit);
}

export function* children(bytes: Uint8Array, start: number, end: number): Generator<Element> {
  for (let place = start; place < end;) {
    const element = elementAt(bytes, place, place, end);
    yield element;
    place = element.end;
  }
}

/** Reads the header of the element at `at` in `bytes`, which starts at `start` in the file. */
function elementAt(bytes: Uint8Array, at: number, start: number, limit: number): Element {
  const first = bytes[at] ?? 0;
  const idWidth = Math.clz32(first) - 23;
  if (!first || idWidth > 4) throw new Unfit("a damaged element");
  let id = 0;
  for (let number = 0; number < idWidth; number++) id = id * 256 + (bytes[at + number] ?? 0);
  const { value, width, unknown } = readNumber(bytes, at + idWidth);
  const body = start + idWidth + width;
  const end = unknown ? Infinity : body + value;
  if (end !== Infinity && end > limit) throw new Unfit("an element that is larger than what it is in");
  return { id, start, body, end };
}

/** Reads a variable-size integer without its length marker. */
function readNumber(bytes: Uint8Array, at: number): { value: number; width: number; unknown: boolean } {
  const first = bytes[at] ?? 0;
  const width = Math.clz32(first) - 23;
  if (!first || at + width > bytes.length) throw new Unfit("a damaged element");
  let value = first & (0xff >> width);
  let unknown = value === 0xff >> width;
  for (let number = 1; number < width; number++) {
    const byte = bytes[at + number] ?? 0;
    unknown &&= byte === 0xff;
    value = value * 256 + byte;
  }
  return { value, width, unknown };
}

export function unsigned(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

/** Writes an element header for a body of that size: four bytes of id, eight of size. */
function written(id: number, size: number): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(12);
  const data = new DataView(head.buffer);
  data.setUint32(0, id);
  data.setBigUint64(4, (1n << 56n) | BigInt(size));
  return head;
}

function clusterOf(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return joined([written(CLUSTER, lengthOf(pieces)), ...pieces]);
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, piece) => sum + piece.length, 0);
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(lengthOf(pieces));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
