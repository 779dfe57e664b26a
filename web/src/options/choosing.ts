// Choosing an option removes the options that contradict it.

import type { Options, OptionValue } from "../api/types";
import { MODES } from "./presets";

/** What cannot be changed about MP3 audio that is copied. */
export const CHANGES_SOUND = ["channels", "sample_rate_hz", "loudness_lufs", "fade_in_s", "fade_out_s"];
const WAYS: readonly string[] = ["preset", ...MODES];
const COVERS = ["cover", "cover_at_s", "cover_upload_id"];
const OF_SILENCE = ["silence_s", "silence_db"];

/** Returns the options with one of them set. Null or the default removes it. */
export function choose(options: Options, name: string, value: OptionValue, byDefault: OptionValue = null): Options {
  const isGone = value === null || value === byDefault;
  let left = without(options, [name]);
  if (isGone) {
    if (name === "split") left = without(left, OF_SILENCE);
    return left;
  }
  if (WAYS.includes(name)) left = without(left, WAYS);
  if (CHANGES_SOUND.includes(name)) left = without(left, ["copy"]);
  if (name === "copy") left = without(left, CHANGES_SOUND);
  if (COVERS.includes(name)) left = without(left, COVERS);
  if (name === "split" && value !== "silence") left = without(left, OF_SILENCE);
  if (OF_SILENCE.includes(name)) left = { ...left, split: "silence" };
  if (name === "keep_tags") left = without(left, ["keep_private_tags"]);
  if (name === "keep_private_tags") left = without(left, ["keep_tags"]);
  if (name === "own_chapters") left = without(left, ["chapters"]);
  if (name === "chapters") left = without(left, ["own_chapters"]);
  if (name === "track" && value === "mix") left = without(left, ["copy", "timing"]);
  if ((name === "copy" || name === "timing") && left.track === "mix") left = without(left, ["track"]);
  return { ...left, [name]: value };
}

/** Returns the options with the cover of the file. */
export function withoutCover(options: Options): Options {
  return without(options, COVERS);
}

/** Returns the names of the options that cannot be set beside the others. */
export function ruledOut(options: Options): string[] {
  return [
    ...(options.copy ? CHANGES_SOUND : []),
    ...(options.split === "silence" ? [] : OF_SILENCE),
    ...(options.keep_tags === false ? ["keep_private_tags"] : []),
    ...(options.track === "mix" ? ["timing"] : []),
  ];
}

/** Returns how many options are set, the quality not counted. */
export function countBesides(options: Options): number {
  return Object.keys(options).filter((name) => !WAYS.includes(name)).length;
}

function without(options: Options, names: readonly string[]): Options {
  return Object.fromEntries(Object.entries(options).filter(([name]) => !names.includes(name)));
}
