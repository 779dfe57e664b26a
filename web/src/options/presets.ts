// The five presets, and the other ways to say how large and how good an MP3 is.

import type { Options } from "../api/types";
// The service defines these (src/video2mp3/engine/presets.py); a test compares them.
import values from "./presets.json";

export type Preset = keyof typeof values;
export const PRESETS = Object.keys(values) as Preset[];
/** The options that each preset stands for. */
export const VALUES: Record<Preset, Options> = values;
/** The preset that applies where nothing else is chosen; the service and the command line have the same. */
export const DEFAULT_PRESET: Preset = "standard";

/** The ways to choose the quality without a preset. */
export const MODES = ["vbr_quality", "bitrate_kbps", "average_kbps", "copy"] as const;
export type Mode = (typeof MODES)[number];

/** The options that control encoding. A preset replaces all of them. */
export const QUALITY = ["preset", ...MODES, "channels", "sample_rate_hz", "loudness_lufs"];

/** The average bitrate of LAME's -V 0 to -V 9 for stereo music, in kbit/s. */
const VBR_KBPS = [245, 225, 190, 175, 165, 130, 115, 100, 85, 65];
/** What a way starts with where the quality before cannot be said in it. */
const FIRST: Record<Exclude<Mode, "copy">, number> = { vbr_quality: 2, bitrate_kbps: 192, average_kbps: 160 };

export function modeOf(options: Options): Mode | null {
  return MODES.find((mode) => options[mode] !== undefined && options[mode] !== false) ?? null;
}

/** Returns the preset that applies; null if the quality is chosen without one. */
export function presetOf(options: Options): Preset | null {
  if (modeOf(options)) return null;
  return options.preset === undefined ? DEFAULT_PRESET : (PRESETS.find((preset) => preset === options.preset) ?? null);
}

/** Returns the options with another preset. Options that do not control encoding stay. */
export function withPreset(options: Options, preset: Preset): Options {
  return { ...withoutQuality(options), preset };
}

/** Returns the options with the quality of others. */
export function withQualityOf(options: Options, others: Options): Options {
  return { ...withoutQuality(options), ...onlyQuality(others) };
}

export function hasSameQuality(one: Options, other: Options): boolean {
  const effective = (options: Options) =>
    JSON.stringify(QUALITY.slice(1).map((name) => resolved(options)[name] ?? null));
  return effective(one) === effective(other);
}

/** Returns the options with what their preset stands for in its place, so that each can be changed. */
export function withoutPreset(options: Options): Options {
  const { preset: _, ...others } = resolved(options);
  return others;
}

/** Returns the options with the quality chosen in another way, and what a preset has set besides. */
export function withMode(options: Options, mode: keyof typeof FIRST): Options {
  const before = withoutPreset(options);
  const others = Object.entries(before).filter(([name]) => !MODES.some((each) => each === name));
  return { ...Object.fromEntries(others), [mode]: before[mode] ?? FIRST[mode] };
}

/** The size of one minute of audio, in bytes; null if it is that of the source. */
export function bytesPerMinute(options: Options): number | null {
  const { bitrate_kbps: constant, average_kbps: average, vbr_quality: quality } = resolved(options);
  const kbps = constant ?? average ?? (typeof quality === "number" ? VBR_KBPS[quality] : null);
  return typeof kbps === "number" ? (kbps * 1000 * 60) / 8 : null;
}

/** Returns the options, and beside them what their preset stands for. */
function resolved(options: Options): Options {
  const preset = presetOf(options);
  return preset ? { ...VALUES[preset], ...options } : options;
}

function withoutQuality(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !QUALITY.includes(name)));
}

function onlyQuality(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([name]) => QUALITY.includes(name)));
}
