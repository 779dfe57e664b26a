// The user's preferences, stored in this browser.

import type { Options } from "./api/types";
import { DEFAULT_PRESET } from "./options/presets";

const STORED = "video2mp3.preferences";

export interface Preferences {
  /** The options of all new conversions. */
  options: Options;
  /** Extract the audio of a video in the browser and upload nothing else. */
  soundOnly: boolean;
  /** Show the content of a file and wait for a choice, instead of converting immediately. */
  lookFirst: boolean;
}

const DEFAULTS: Preferences = { options: { preset: DEFAULT_PRESET }, soundOnly: true, lookFirst: false };

/** Parses stored preferences; missing or invalid ones get their defaults. */
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
  try {
    localStorage.setItem(STORED, JSON.stringify(current));
  } catch {
    // The browser's storage is full: they apply to this tab.
  }
}
