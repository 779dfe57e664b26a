// Labels of a file's audio tracks.

import type { Probe, OptionValue } from "../api/types";
import type { Choosable } from "../sound/default_track.ts";
import { currentLanguage, t, textIfKnown } from "../texts/texts";

/** A track as the service or the browser has found it. */
export type Track = Choosable &
  Pick<Probe["tracks"][number], "language" | "title"> &
  Partial<Pick<Probe["tracks"][number], "codec">>;

/** Flags that say for whom a track is. */
const SHOWN_FLAGS = ["comment", "visual_impaired", "hearing_impaired", "original", "dub", "karaoke"];

/** `English, “Director”, commentary, stereo, aac`: the properties that distinguish tracks. */
export function trackName(track: Track): string {
  const channels =
    track.channels === 1
      ? t("facts.mono")
      : track.channels === 2
        ? t("facts.stereo")
        : t("facts.channels", { count: track.channels });
  const flags = SHOWN_FLAGS.filter((flag) => track.flags.includes(flag)).map((flag) => textIfKnown(`flag.${flag}`));
  const title = track.title && t("facts.track_title", { title: track.title });
  const decoding = track.decodable === false ? t("facts.undecodable") : "";
  return [languageName(track.language), title, ...flags, channels, track.codec, decoding].filter(Boolean).join(", ");
}

/** The choices of the option `track`; empty if there is only one. */
export function trackChoices(tracks: readonly Track[]): [OptionValue, string][] {
  if (tracks.length < 2) return [];
  const single = tracks.map((track, index): [OptionValue, string] => [index + 1, `${index + 1}: ${trackName(track)}`]);
  return [[null, t("choice.track.first")], ...single, ["all", t("choice.track.all")], ["mix", t("choice.track.mix")]];
}

function languageName(code: string | null): string {
  if (!code) return "";
  try {
    return new Intl.DisplayNames([currentLanguage()], { type: "language" }).of(code) ?? code;
  } catch {
    return code; // untrusted: the code comes from the file
  }
}
