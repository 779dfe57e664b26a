// Which fields of an entry outlast its tab, and which ones other tabs see.

import type { Track } from "../options/tracks";
import type { Entry } from "./entry.svelte";

type IfEqual<One, Other, Then> =
  (<T>() => T extends One ? 1 : 2) extends <T>() => T extends Other ? 1 : 2 ? Then : never;
/** The fields of an object that can be set: neither methods nor getters. */
type Settable<Of> = {
  [Name in keyof Of]-?: Of[Name] extends (...values: never[]) => unknown
    ? never
    : IfEqual<Pick<Of, Name>, { -readonly [Same in Name]: Of[Same] }, Name>;
}[keyof Of];

/** How far each field gets: into the stored list and to other tabs, only to other tabs, or nowhere. */
const REACH = {
  url: "stored",
  options: "stored",
  isHeldBack: "stored",
  folder: "stored",
  tracks: "stored",
  chosenStem: "stored",
  step: "stored",
  sender: "stored",
  turn: "stored",
  uploadId: "stored",
  upload: "stored",
  conversionId: "stored",
  previousId: "stored",
  sentBytes: "reported",
  speedBps: "reported",
  takenPercent: "reported",
  trouble: "reported",
  file: "here",
  content: "here",
  heardMs: "here",
  conversion: "here",
  previous: "here",
  progress: "here",
  stopper: "here",
} as const satisfies Record<Settable<Entry>, "stored" | "reported" | "here">;

type Reach = typeof REACH;
type With<Wanted> = { [Name in keyof Reach]: Reach[Name] extends Wanted ? Name : never }[keyof Reach];

/** Tracks with more characters, in JSON, are not stored: the texts of an untrusted file could fill the storage. */
const MAX_TRACKS_LENGTH = 3000;
const MAX_TITLE_LENGTH = 80;
const SHOWN_OF_TRACKS: (keyof Track)[] = ["language", "title", "channels", "flags", "decodable", "isEmpty", "codec"];

/** What is stored of an entry. */
export interface Kept extends Pick<Entry, With<"stored">> {
  readonly id: string;
  readonly name: string;
  readonly sizeBytes: number;
  readonly lastModified: number;
}

/** What tabs report to each other about an entry. */
export interface Row extends Kept, Pick<Entry, With<"reported">> {}

/** Returns the fields that are stored. */
export function storedOf(entry: Entry): Pick<Entry, With<"stored">> {
  return { ...picked(entry, "stored"), tracks: storedTracks(entry.tracks) };
}

/** Returns the fields that only other tabs see. */
export function reportedOf(entry: Entry): Pick<Entry, With<"reported">> {
  return picked(entry, "reported");
}

/** Sets the fields that a stored or reported row has. */
export function assign(entry: Entry, row: Kept | Row): void {
  Object.assign(entry, picked(row, "stored"), picked(row, "reported"));
}

/** Returns what a row shows of its tracks; nothing if that is too much, as the service can be asked again. */
function storedTracks(tracks: readonly Track[]): Track[] {
  const short = tracks.map((track) => ({ ...track, title: track.title && shortened(track.title) }));
  const text = JSON.stringify(short, SHOWN_OF_TRACKS);
  return text.length > MAX_TRACKS_LENGTH ? [] : (JSON.parse(text) as Track[]);
}

function shortened(title: string): string {
  return Array.from(title).slice(0, MAX_TITLE_LENGTH).join("");
}

function picked<Wanted extends "stored" | "reported">(from: object, wanted: Wanted): Pick<Entry, With<Wanted>> {
  const names = Object.entries(REACH).flatMap(([name, reach]) => (reach === wanted && name in from ? [name] : []));
  return Object.fromEntries(names.map((name) => [name, from[name as keyof typeof from]])) as never;
}
