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

describe("a row of another tab", () => {
  it("is out of date until that tab hears that this one sends the file", () => {
    const [mine, former] = [entryOf("another"), entryOf("another")];
    expect(mine.isAheadOf(former.kept())).toBe(false);
    mine.claim();
    expect(mine.sender).toBe(TAB);
    expect(mine.isAheadOf(former.kept())).toBe(true);
    former.take(mine.kept());
    expect(former.isAheadOf(mine.kept())).toBe(false);
  });

  it("loses against the tab whose name comes first, if both became the sender at the same time", () => {
    const [mine, theirs] = [entryOf(null), entryOf(null).kept()];
    mine.claim();
    expect([`${TAB}z`, ""].map((sender) => mine.isAheadOf({ ...theirs, turn: 1, sender }))).toEqual([true, false]);
  });

  it("keeps its sender when its file is lost, and the others hear that", () => {
    const [sync, lost] = [new Sync(), entryOf("another")];
    lost.step = "lost";
    expect(lost.isElsewhere).toBe(false);
    expect(sync.changes([lost])).toMatchObject([{ row: { step: "lost", sender: "another" } }]);
  });

  it("keeps the id of a conversion that could not be read", () => {
    const [entry, again] = [entryOf(null), entryOf(null)];
    entry.take({ ...entry.kept(), step: "sent", conversionId: "c1" });
    again.take(entry.kept());
    expect(again.kept().conversionId).toBe("c1");
    again.forgetConversion();
    expect(again.kept().conversionId).toBeNull();
  });
});
