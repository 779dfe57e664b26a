// What this browser remembers of the reader's choices.

import type { Options } from "./api/types";

const STORED = "video2mp3.preferences";

export interface Preferences {
  /** The options of all new conversions. */
  options: Options;
  /** Take the sound out of a video here, and send nothing else. */
  soundOnly: boolean;
  /** Show what is in a file and wait for a choice, instead of converting at once. */
  lookFirst: boolean;
}

const DEFAULTS: Preferences = { options: { preset: "standard" }, soundOnly: true, lookFirst: false };

/** Returns the preferences in a stored text; for what is missing or wrong, the defaults. */
export function read(text: string | null): Preferences {
  try {
    const found = JSON.parse(text ?? "{}") as Partial<Preferences>;
    const { options, soundOnly, lookFirst } = { ...DEFAULTS, ...found };
    return { options: isRecord(options) ? options : DEFAULTS.options, soundOnly: !!soundOnly, lookFirst: !!lookFirst };
  } catch {
    return DEFAULTS;
  }
}

function isRecord(value: unknown): value is Options {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

let current = $state.raw(read(localStorage.getItem(STORED)));

export const preferences = {
  get all(): Preferences {
    return current;
  },
};

export function prefer(changes: Partial<Preferences>): void {
  current = { ...current, ...changes };
  localStorage.setItem(STORED, JSON.stringify(current));
}
