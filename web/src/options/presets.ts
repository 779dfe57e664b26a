// The five presets. The service defines the options that they stand for (src/video2mp3/engine/presets.py).

import type { Options } from "../api/types";

export const PRESETS = ["voice", "podcast", "standard", "high", "max"] as const;
export type Preset = (typeof PRESETS)[number];
/** The preset that applies where nothing else is chosen; the service and the command line have the same. */
export const DEFAULT_PRESET: Preset = "standard";

/** The options that control encoding. A preset replaces all of them. */
export const QUALITY = [
  "preset",
  "bitrate_kbps",
  "vbr_quality",
  "average_kbps",
  "channels",
  "sample_rate_hz",
  "loudness_lufs",
];

/** The average bitrate in kbit/s. */
const ABOUT_KBPS: Record<Preset, number> = { voice: 48, podcast: 128, standard: 190, high: 245, max: 320 };

export function presetOf(options: Options): Preset | null {
  return PRESETS.find((preset) => preset === options.preset) ?? null;
}

/** Returns the options with another preset. Options that do not control encoding stay. */
export function withPreset(options: Options, preset: Preset): Options {
  const others = Object.entries(options).filter(([name]) => !QUALITY.includes(name));
  return { ...Object.fromEntries(others), preset };
}

/** The size of one minute of audio, in bytes. */
export function bytesPerMinute(preset: Preset): number {
  return (ABOUT_KBPS[preset] * 1000 * 60) / 8;
}
