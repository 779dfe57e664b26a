// The page's texts in the user's language. To add a language, add a file beside en.json.

import { become, current } from "./current.svelte";
import type en from "./en.json";

export type Key = keyof typeof en;
export type Values = Record<string, string | number>;
type Texts = Record<string, string>;

const FILES = import.meta.glob<Texts>("./*.json", { import: "default" });
const STORED = "video2mp3.language";

/** The available languages, as BCP 47 codes. */
export const LANGUAGES = Object.keys(FILES).map((path) => path.slice("./".length, -".json".length));

/** Loads the texts of the language that the user chose before, or that the browser prefers. */
export async function loadTexts(wanted: readonly string[] = [chosenLanguage(), ...navigator.languages]): Promise<void> {
  const language = bestLanguage(wanted, LANGUAGES);
  const file = FILES[`./${language}.json`];
  become(language, file ? await file() : {});
  document.documentElement.lang = language;
}

/** Returns the first wanted language that is available, regardless of its region; English if none is. */
export function bestLanguage(wanted: readonly string[], known: readonly string[]): string {
  for (const each of wanted) {
    const found = known.find((code) => code === each) ?? known.find((code) => code === each.split("-")[0]);
    if (found) return found;
  }
  return "en";
}

/** Shows the page in the language, and stores it in this browser. Throws if the texts cannot be loaded. */
export async function chooseLanguage(code: string): Promise<void> {
  await loadTexts([code]);
  localStorage.setItem(STORED, code);
}

export function currentLanguage(): string {
  return current.language;
}

/**
 * Returns the text of a key with its {values} filled in. Texts with plural forms have the keys
 * `key.one`, `key.other` and so on in the file, and `values.count` selects the form.
 */
export function t(key: Key | PluralKey, values: Values = {}): string {
  return fill(find(current.texts, key, values, current.language), values);
}

/** Returns the text of a key from outside, such as an error code; undefined if it does not exist. */
export function textIfKnown(key: string, values: Values = {}): string | undefined {
  const found = current.texts[key];
  return found === undefined ? undefined : fill(found, values);
}

type PluralKey = Key extends infer K ? (K extends `${infer Stem}.other` ? Stem : never) : never;

function find(from: Texts, key: string, values: Values, code: string): string {
  if (typeof values.count !== "number") return from[key] ?? key;
  const form = new Intl.PluralRules(code).select(values.count);
  return from[`${key}.${form}`] ?? from[`${key}.other`] ?? from[key] ?? key;
}

function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => (name in values ? String(values[name]) : whole));
}

function chosenLanguage(): string {
  return localStorage.getItem(STORED) ?? "";
}
