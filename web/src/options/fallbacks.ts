// What applies where a field is left empty: the value of a preset, of the file, or none.

import type { Options, OptionValue, Probe } from "../api/types";
import { clock, decimal } from "../format";
import { t, textIfKnown } from "../texts/texts";
import { presetOf, VALUES } from "./presets";

const FROM_SOURCE = ["channels", "sample_rate_hz", "loudness_lufs"];
const TAGS = ["title", "artist", "album", "date", "genre", "comment", "track_number"];

/** Returns the value of an option in words. */
export function nameOf(option: string, value: OptionValue): string {
  return textIfKnown(`choice.${option}.${value}`) ?? (typeof value === "number" ? decimal(value) : String(value));
}

/**
 * Returns what applies where an option is not set, in words.
 *
 * probe: of the file with these options; null if they are for all files.
 */
export function fallbackOf(option: string, options: Options, probe: Probe | null): string {
  const preset = presetOf(options);
  const ofPreset = preset && VALUES[preset][option];
  if (preset && ofPreset !== null && ofPreset !== undefined) {
    return t("option.from_preset", {
      value: nameOf(option, ofPreset),
      preset: textIfKnown(`preset.${preset}`) ?? preset,
    });
  }
  if (FROM_SOURCE.includes(option)) return t("option.from_source");
  if (TAGS.includes(option)) return tagOf(option, options, probe);
  if (option === "start_s") return clock(0);
  if (option === "end_s") return probe?.duration_s ? clock(probe.duration_s) : t("option.to_the_end");
  if (option === "track") return t("choice.track.first");
  return t("option.none");
}

function tagOf(tag: string, options: Options, probe: Probe | null): string {
  // What the probe says of an option that was set a moment ago is that option.
  const written = options[tag] === undefined ? probe?.tags[tag] : undefined;
  if (written !== undefined) return written;
  if (probe) return t("option.none");
  if (tag === "title") return t("option.title.fallback");
  return options.keep_tags === false || tag === "comment" ? t("option.none") : t("option.from_source");
}
