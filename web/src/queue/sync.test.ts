import { describe, expect, it } from "vitest";
import { TAB } from "../tabs/channel";
import { Entry } from "./entry.svelte";
import { Sync } from "./sync";

function entryOf(sender: string | null) {
  const entry = new Entry("1", { name: "Talk.mp4", size: 10, lastModified: 0 });
  entry.sender = sender;
  return entry;
}

describe("what other tabs are told of a row", () => {
  it("is each change once, and nothing of rows that they send", () => {
    const [sync, mine, theirs] = [new Sync(), entryOf(TAB), entryOf("another")];
    expect(sync.changes([mine, theirs])).toMatchObject([{ kind: "row", row: { id: "1", sentBytes: 0 } }]);
    expect(sync.changes([mine, theirs])).toEqual([]);
    mine.sentBytes = 5;
    expect(sync.changes([mine])).toMatchObject([{ row: { sentBytes: 5 } }]);
  });

  it("is not repeated to the tab that told it", () => {
    const [sync, told] = [new Sync(), entryOf(null)];
    const [message] = new Sync().changes([told]);
    const heard = entryOf("another");
    if (message?.kind === "row") heard.take(message.row);
    sync.isKnown(heard);
    expect(sync.changes([heard])).toEqual([]);
  });
});
