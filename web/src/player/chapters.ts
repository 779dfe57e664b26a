// Chapters as the page edits them, and as the API takes them: `1:30 The interview` on each line.

import { exactClock, parseClock } from "../format";

export interface Mark {
  /** For the page only. */
  id: number;
  start: number;
  title: string;
}

export const MAX_CHAPTERS = 999;
export const MAX_TITLE = 300;
const MAX_BYTES = 48_000;

let lastId = 0;

export function mark(start: number, title = ""): Mark {
  lastId += 1;
  return { id: lastId, start: Math.round(start * 1000) / 1000, title };
}

export function sorted(marks: readonly Mark[]): Mark[] {
  return marks.toSorted((one, other) => one.start - other.start);
}

/** Returns the lines that the API takes; empty if there are no chapters. */
export function linesOf(marks: readonly Mark[]): string {
  return sorted(marks)
    .map(({ start, title }) => `${exactClock(start)} ${title.replace(/\s+/g, " ").trim().slice(0, MAX_TITLE)}`.trim())
    .join("\n");
}

export function marksIn(lines: string): Mark[] {
  return lines.split(/\r\n|\r|\n/).flatMap((line) => {
    const [, time = "", title = ""] = /^\s*(\S+)\s*(.*?)\s*$/.exec(line) ?? [];
    const start = parseClock(time);
    return start === undefined ? [] : [mark(start, title)];
  });
}

/** Returns why the API would not take them. */
export function troubleWith(marks: readonly Mark[], endS: number): "same" | "beyond" | "many" | "long" | undefined {
  const starts = new Set(marks.map(({ start }) => start));
  if (starts.size < marks.length) return "same";
  if (marks.some(({ start }) => start >= endS)) return "beyond";
  if (marks.length > MAX_CHAPTERS) return "many";
  return new TextEncoder().encode(linesOf(marks)).length > MAX_BYTES ? "long" : undefined;
}
