// The five ways that are one click away. What they stand for is the service's (src/video2mp3/engine/presets.py).

import type { Options } from "../api/types";

export const PRESETS = ["voice", "podcast", "standard", "high", "max"] as const;
export type Preset = (typeof PRESETS)[number];

/** The options that say how the sound is encoded: a preset takes the place of all of them. */
export const QUALITY = [
  "preset",
  "bitrate_kbps",
  "vbr_quality",
  "average_kbps",
  "channels",
  "sample_rate_hz",
  "loudness_lufs",
];

/** Kilobits per second, as they come out on average. */
const ABOUT_KBPS: Record<Preset, number> = { voice: 48, podcast: 128, standard: 190, high: 245, max: 320 };

export function presetOf(options: Options): Preset | null {
  return PRESETS.find((preset) => preset === options.preset) ?? null;
}

/** Returns the options with another preset. What is not about the encoding stays. */
export function withPreset(options: Options, preset: Preset): Options {
  const others = Object.entries(options).filter(([name]) => !QUALITY.includes(name));
  return { ...Object.fromEntries(others), preset };
}

/** How large a minute of sound gets, in bytes. */
export function bytesPerMinute(preset: Preset): number {
  return (ABOUT_KBPS[preset] * 1000 * 60) / 8;
}
