// The names that users give to MP3s. What a browser or the service would change is said or left out here,
// so that the downloaded file has the name of its row.

/**
 * In UTF-8. Most file systems have names of 255 bytes. Until a download is complete, Chromium appends `.crdownload` to
 * its name, and cuts a name for which that is too long. `.zip` is as long as `.mp3`.
 */
const MAX_STEM_BYTES = 255 - ".crdownload".length - ".mp3".length;
/** With the joiners and tags inside emoji, and with noncharacters: Chromium saves each of them as `_`. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}]/gu;
/** What Windows, and so the browsers, have in no name. */
export const FORBIDDEN: readonly string[] = [...'/\\:*?"<>|'];

/** Returns the suffix of a name, such as `.mp3`; empty if it has none. */
export function suffixOf(name: string): string {
  return /\.[^.]*$/.exec(name)?.[0] ?? "";
}

/** Returns what is typed as a stem: without invisible characters, and without the suffix if that is typed too. */
export function stemOf(typed: string, suffix: string): string {
  const visible = typed.replace(INVISIBLE, "").trim();
  const hasSuffix = suffix !== "" && visible.toLowerCase().endsWith(suffix.toLowerCase());
  return hasSuffix ? visible.slice(0, -suffix.length).trim() : visible;
}

/** Returns the key of the text that says why no file can have this stem; null if it can. */
export function problemOf(stem: string) {
  if (FORBIDDEN.some((character) => stem.includes(character))) return "name.characters";
  if (/^[.~]/.test(stem)) return "name.start";
  return bytesOf(stem) > MAX_STEM_BYTES ? "name.long" : null;
}

/** Returns the stem with the ending. If that is too long, the stem is cut between two characters that a reader sees. */
export function fitted(stem: string, ending: string): string {
  const characters = Array.from(new Intl.Segmenter().segment(stem), ({ segment }) => segment);
  while (characters.length && bytesOf(characters.join("") + ending) > MAX_STEM_BYTES) characters.pop();
  return characters.join("") + ending;
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}
