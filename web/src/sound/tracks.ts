/**
 * Reads which audio tracks a file has, from its head alone: nothing is decoded.
 *
 * The tracks have the numbers that the service gives them: their order in the file. Sources: ISO/IEC 14496-12
 * §8.3-8.5, RFC 9559 §5.1.4.
 */

import { children as boxesIn, fourCharacters, readBox, view, type Box } from "./mp4.ts";
import { children as elementsIn, isMatroska, readElement, unsigned, type Element } from "./matroska.ts";
import DECODABLE from "./decodable.json" with { type: "json" };
import { Source, Unfit } from "./source.ts";

export interface SoundTrack {
  /** An ISO 639 or BCP 47 code. Untrusted, as the title is. */
  language: string | null;
  title: string | null;
  channels: number;
  /** By ffmpeg's names. */
  flags: string[];
  /** Whether the service has a decoder for it, as far as that is known. */
  decodable: boolean;
  /** Whether the index says that nothing is in it. */
  isEmpty: boolean;
}

const MAX_HEAD_BYTES = 64 * 1024 ** 2;
const MAX_TRACKS = 200;
const MAX_STEPS = 1000;
const MAX_TEXT = 300;

/** Returns the audio tracks; empty if the file is of another kind, or cannot be read. */
export async function readTracks(file: Blob): Promise<SoundTrack[]> {
  try {
    const source = new Source(file);
    const tracks = isMatroska(await source.read(0, 12, 64 * 1024)) ? await ofMatroska(source) : await ofMp4(source);
    return tracks.slice(0, MAX_TRACKS);
  } catch (error) {
    if (error instanceof Unfit || error instanceof RangeError || error instanceof DOMException) return [];
    throw error;
  }
}

async function ofMp4(source: Source): Promise<SoundTrack[]> {
  let offset = 0;
  for (let steps = 0; offset < source.size && steps < MAX_STEPS; steps++) {
    const box = readBox(view(await source.read(offset, offset + 16, 16)), 0, source.size - offset, 0);
    if (box.kind === "moov") {
      if (box.end > MAX_HEAD_BYTES) throw new Unfit("a large index");
      const data = view((await source.whole(offset, offset + box.end)).slice());
      return tracksOfIndex(data, readBox(data, 0, data.byteLength));
    }
    offset += box.end;
  }
  return [];
}

function tracksOfIndex(data: DataView, index: Box): SoundTrack[] {
  const tracks = [...boxesIn(data, index)].flatMap((track) => {
    const found = track.kind === "trak" ? find(data, track, "mdia", "hdlr") : undefined;
    return found && fourCharacters(data, found.body + 8) === "soun" ? [trackOfMp4(data, track)] : [];
  });
  // The index of a fragmented file counts no samples at all.
  return tracks.every(({ isEmpty }) => isEmpty) ? tracks.map((track) => ({ ...track, isEmpty: false })) : tracks;
}

function trackOfMp4(data: DataView, track: Box): SoundTrack {
  const header = find(data, track, "tkhd");
  const media = find(data, track, "mdia", "mdhd");
  const description = find(data, track, "mdia", "minf", "stbl", "stsd");
  const name = find(data, track, "udta", "name");
  const entry = description && readBox(data, description.body + 8, description.end);
  const isEnabled = header && data.getUint32(header.body) & 1;
  return {
    language: media ? languageOfMp4(data.getUint16(media.body + (data.getUint8(media.body) === 1 ? 32 : 20))) : null,
    title: name ? textOf(new Uint8Array(data.buffer, name.body, name.end - name.body)) : null,
    channels: entry ? channelsOfMp4(data, entry) : 0,
    flags: isEnabled ? ["default"] : [],
    decodable: !DECODABLE.not_in_mp4.includes(entry?.kind ?? ""),
    isEmpty: samplesOfMp4(data, track) === 0,
  };
}

/** Returns how many samples a track has; undefined if it has no table of them. */
function samplesOfMp4(data: DataView, track: Box): number | undefined {
  const durations = find(data, track, "mdia", "minf", "stbl", "stts");
  if (!durations) return undefined;
  let samples = 0;
  for (let runs = data.getUint32(durations.body + 4), run = 0; run < runs && samples === 0; run++)
    samples = data.getUint32(durations.body + 8 + 8 * run);
  return samples;
}

/** Returns the channels of a sample entry: AAC's own description counts more, because many entries say 2. */
function channelsOfMp4(data: DataView, entry: Box): number {
  const told = data.getUint16(entry.body + 16);
  if (fourCharacters(data, entry.start + 4) !== "mp4a" || data.getUint16(entry.body + 8) !== 0) return told;
  const description = [...boxesIn(data, { ...entry, body: entry.body + 28 })].find(({ kind }) => kind === "esds");
  try {
    return (description && channelsOfAac(data, description.body + 4)) || told;
  } catch {
    return told;
  }
}

/** Returns the channels that an elementary stream descriptor states; 0 if it states none. Source: ISO/IEC 14496-1, -3. */
function channelsOfAac(data: DataView, start: number): number {
  /** Returns where the content of the descriptor with that tag starts. */
  const inside = (at: number, tag: number) => {
    if (data.getUint8(at) !== tag) throw new Unfit("another descriptor");
    for (let place = at + 1; ; place++) if (data.getUint8(place) < 0x80) return place + 1;
  };
  const config = inside(inside(inside(start, 3) + 3, 4) + 13, 5);
  const bits = data.getUint32(config);
  if (((bits >>> 23) & 15) === 15) return 0; // a sample rate in full
  const channels = (bits >>> 19) & 15;
  return channels === 7 ? 8 : channels < 7 ? channels : 0;
}

/** Three letters of five bits; lower values are QuickTime's, which browsers have no names for. */
function languageOfMp4(packed: number): string | null {
  if (packed < 0x400) return null;
  const code = String.fromCharCode(...[10, 5, 0].map((shift) => 0x60 + ((packed >> shift) & 0x1f)));
  return /^[a-z]{3}$/.test(code) ? known(code) : null;
}

function find(data: DataView, box: Box, ...path: string[]): Box | undefined {
  let found: Box | undefined = box;
  for (const kind of path) found = found && [...boxesIn(data, found)].find((each) => each.kind === kind);
  return found;
}

const [SEGMENT, TRACKS, CLUSTER, TRACK_ENTRY] = [0x18538067, 0x1654ae6b, 0x1f43b675, 0xae];
const [TYPE, SOUND, NAME, LANGUAGE, LANGUAGE_BCP47] = [0x83, 2, 0x536e, 0x22b59c, 0x22b59d];
const CODEC = 0x86;
const [AUDIO, CHANNELS] = [0xe1, 0x9f];
const FLAGS: [id: number, byDefault: number, name: string][] = [
  [0x88, 1, "default"],
  [0x55af, 0, "comment"],
  [0x55ab, 0, "hearing_impaired"],
  [0x55ac, 0, "visual_impaired"],
  [0x55ae, 0, "original"],
];

async function ofMatroska(source: Source): Promise<SoundTrack[]> {
  const type = await readElement(source, 0, source.size);
  const segment = await readElement(source, type.end, source.size);
  if (segment.id !== SEGMENT) throw new Unfit("no segment");
  let place = segment.body;
  for (let steps = 0; place < source.size && steps < MAX_STEPS; steps++) {
    const element = await readElement(source, place, source.size);
    if (element.id === CLUSTER || element.end === Infinity) return [];
    if (element.id === TRACKS) {
      if (element.end - element.start > MAX_HEAD_BYTES) throw new Unfit("large headers");
      const bytes = (await source.whole(element.body, element.end)).slice();
      return [...elementsIn(bytes, 0, bytes.length)].flatMap((entry) => trackOfMatroska(bytes, entry));
    }
    place = element.end;
  }
  return [];
}

function trackOfMatroska(bytes: Uint8Array, entry: Element): SoundTrack[] {
  if (entry.id !== TRACK_ENTRY) return [];
  const fields = new Map([...elementsIn(bytes, entry.body, entry.end)].map((each) => [each.id, each]));
  const bytesOf = (id: number) => {
    const field = fields.get(id);
    return field && bytes.subarray(field.body, field.end);
  };
  const numberOf = (id: number, byDefault: number) => unsignedOr(bytesOf(id), byDefault);
  if (numberOf(TYPE, 0) !== SOUND) return [];
  const audio = fields.get(AUDIO);
  const channels = audio && [...elementsIn(bytes, audio.body, audio.end)].find(({ id }) => id === CHANNELS);
  const codec = textOf(bytesOf(CODEC)) ?? "";
  const language = textOf(bytesOf(LANGUAGE_BCP47)) ?? textOf(bytesOf(LANGUAGE)) ?? "eng";
  return [
    {
      language: known(language),
      title: textOf(bytesOf(NAME)),
      channels: unsignedOr(channels && bytes.subarray(channels.body, channels.end), 1),
      flags: FLAGS.filter(([id, byDefault]) => numberOf(id, byDefault)).map(([, , name]) => name),
      // Within A_MS/ACM and A_QUICKTIME, a further code names the codec; most of them can be decoded.
      decodable: DECODABLE.matroska.some((known) => codec.startsWith(known)),
      isEmpty: false,
    },
  ];
}

function unsignedOr(bytes: Uint8Array | undefined, byDefault: number): number {
  return bytes ? unsigned(bytes) : byDefault;
}

function textOf(bytes: Uint8Array | undefined): string | null {
  if (!bytes) return null;
  const [text = ""] = new TextDecoder().decode(bytes).split("\0");
  return [...text.trim()].slice(0, MAX_TEXT).join("") || null;
}

function known(language: string): string | null {
  return language === "und" || language === "mis" ? null : language;
}
