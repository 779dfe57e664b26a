// Links that the user pastes, drops or shares: the service downloads the files.

import { dismissTrouble, showTrouble } from "../announcer.svelte";
import { t } from "../texts/texts";
import { addLinks } from "./actions";

const MAX_LINKS = 100;
const MAX_LENGTH = 8000;

export interface Link {
  url: string;
  /** The file's name, until the service reports the MP3's. */
  name: string;
}

/** Whether each line of a text is an address, so that it was pasted to be converted. */
export function isLinkText(text: string): boolean {
  const found = linesOf(text);
  return found.length > 0 && found.every((line) => /^[a-z][a-z0-9+.-]*:\S+$/i.test(line));
}

/** Adds the links of a text, one a line, to the queue. Shows what is wrong with the others. Returns how many it added. */
export function takeLinks(text: string): number {
  const lines = linesOf(text);
  const links = lines.slice(0, MAX_LINKS).map((line) => linkOf(line));
  const good = links.filter((link): link is Link => typeof link === "object");
  const [wrong] = lines.length ? links.filter((link) => typeof link === "string") : [t("link.none")];
  if (wrong) showTrouble(wrong);
  else if (lines.length > MAX_LINKS) showTrouble(t("link.too_many", { count: MAX_LINKS }));
  else dismissTrouble();
  if (good.length) addLinks(good);
  return good.length;
}

/** Returns the link of a line, or what is wrong with it. */
export function linkOf(line: string, here = document.baseURI): Link | string {
  if (line.length > MAX_LENGTH) return t("link.too_long");
  const url = URL.canParse(line) ? new URL(line) : null;
  if (!url || !/^https?:$/.test(url.protocol)) return t("link.none");
  if (url.href.startsWith(new URL("share/", here).href)) return t("link.own");
  url.hash = "";
  return { url: url.href, name: nameOf(url) };
}

function nameOf(url: URL): string {
  const last = url.pathname.split("/").pop() || url.hostname;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

/** Lines that begin with # are comments (RFC 2483, section 5). */
function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  return lines.filter((line) => line && !line.startsWith("#"));
}
