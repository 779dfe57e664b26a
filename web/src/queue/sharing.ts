// One list in all tabs of this browser: what this tab reports to the others of its rows, and takes over from theirs.

import { Problem } from "../api/client";
import type { Conversion } from "../api/types";
import { postToTabs, TAB, type News } from "../tabs/channel";
import { whenEnded } from "../tabs/senders";
import { Entry } from "./entry.svelte";
import { Feed, isEnd } from "./feed";
import type { Row } from "./fields";
import { entryOfConversion, entryWithId, owner, queue, setEntries } from "./list.svelte";
import { takeOver } from "./restoring";
import { halt, pump, stop } from "./scheduler";
import { Sync } from "./sync";

export const sync = new Sync();

/** Follows the conversions of the list. */
export const feed = new Feed(share);

/** Reports to the other tabs what has changed in the rows of this one. */
export function postRows(): void {
  for (const message of sync.changes(queue.entries)) postToTabs(owner.userId, message);
}

/** The same for all rows: a new tab knows only what is stored. */
export function postAllRows(): void {
  for (const each of queue.entries) if (each.sender === TAB) sync.forget(each);
  postRows();
}

/** Shows in all tabs a response of the service. */
export function shareConversion(conversion: Conversion): void {
  share({ kind: "conversion", conversion });
}

function share(news: News): void {
  postToTabs(owner.userId, news);
  take(news);
}

/** Takes over what a tab has learned from the service. */
export function take(news: News): void {
  feed.heard(news);
  if (news.kind === "progress") {
    const entry = entryOfConversion(news.progress.id);
    if (entry) entry.progress = news.progress;
  } else if (news.kind === "conversion") {
    const entry = entryOfConversion(news.conversion.id);
    if (!entry) return;
    entry.learn(news.conversion);
    if (isEnd(news.conversion.state)) pump();
  } else {
    const entry = entryOfConversion(news.id);
    if (!entry) forgetPrevious(news.id);
    else if (news.status === 404) entry.fallBack() || drop(entry);
    else entry.fail(new Problem(news.status, { code: news.code }));
  }
}

function forgetPrevious(conversionId: string): void {
  queue.entries.find((entry) => entry.previous?.id === conversionId)?.forgetPrevious();
}

/** Takes over the row of another tab. */
export function takeRow(
  row: Row,
  { conversion, previous }: { conversion: Conversion | null; previous: Conversion | null },
): void {
  let entry = entryWithId(row.id);
  if (row.sender === TAB) {
    // This tab was silent for so long that another one gave up its file.
    if (entry) sync.forget(entry);
    postRows();
    return;
  }
  if (entry?.isAheadOf(row)) return;
  if (entry?.sender === TAB && row.sender !== null) void halt(entry);
  entry ??= new Entry(row.id, { name: row.name, size: row.sizeBytes, lastModified: row.lastModified });
  const before = JSON.stringify(entry.kept());
  entry.take(row);
  // The other tab may have failed to read the conversion.
  if (entry.conversion?.id !== row.conversionId) [entry.conversion, entry.progress] = [conversion, null];
  if (entry.previous?.id !== row.previousId) entry.previous = previous;
  sync.isKnown(entry);
  if (!queue.entries.includes(entry)) setEntries([...queue.entries, entry]);
  succeed(row.sender);
  if (JSON.stringify(entry.kept()) !== before) pump();
}

/** Goes on with the files of another tab as soon as that has ended. */
export function succeed(tab: string | null): void {
  if (!tab || tab === TAB) return;
  whenEnded(tab, () => {
    for (const entry of queue.entries) if (entry.sender === tab) void takeOver(entry).then(pump);
  });
}

/** Drops an entry from the list of this tab. */
export function drop(entry: Entry): void {
  if (entry.sender === TAB) void stop(entry);
  sync.forget(entry);
  setEntries(queue.entries.filter((each) => each !== entry));
  pump();
}
