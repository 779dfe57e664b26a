import { describe, expect, it } from "vitest";
import type { Conversion, State } from "../api/types";
import { TAB } from "../tabs/channel";
import { Entry } from "./entry.svelte";
import { percentOf } from "./phase";
import { Sync } from "./sync";

function entryOf(sender: string | null) {
  const entry = new Entry("1", { name: "Talk.mp4", size: 10, lastModified: 0 });
  entry.sender = sender;
  return entry;
}

function conversionOf(id: string, state: State) {
  return { id, state } as unknown as Conversion;
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

describe("a file at a URL", () => {
  it("counts as sent once the service has downloaded it", () => {
    const entry = entryOf(null);
    [entry.url, entry.step] = ["https://example.com/talk.mp4", "sent"];
    const conversion = { ...conversionOf("2", "waiting"), percent: 0 };
    entry.learn({ ...conversion, source: { upload_id: null } } as Conversion);
    expect(percentOf(entry)).toBe(0);
    entry.learn({ ...conversion, source: { upload_id: "3" } } as Conversion);
    expect(percentOf(entry)).toBe(70);
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

  it("has the same conversion in two tabs that convert it again at the same time", () => {
    const [one, other] = [entryOf(null), entryOf(null)];
    for (const [entry, id] of [
      [one, "c2"],
      [other, "c3"],
    ] as const) {
      entry.learn(conversionOf("c1", "finished"));
      entry.follow(conversionOf(id, "queued"));
    }
    expect([one.isAheadOf(other.kept()), other.isAheadOf(one.kept())]).toEqual([false, true]);
  });
});

describe("a file that is converted again", () => {
  function again(state: State) {
    const entry = entryOf(null);
    entry.step = "sent";
    entry.learn(conversionOf("c1", "finished"));
    entry.follow(conversionOf("c2", "queued"));
    entry.learn(conversionOf("c2", state));
    return entry;
  }

  it("offers its MP3 until the new one is there", () => {
    expect(again("processing")).toMatchObject({ phase: "processing", converted: { id: "c1" }, failedAgain: null });
    expect(again("finished")).toMatchObject({ phase: "finished", converted: { id: "c2" }, previous: null });
  });

  it.each(["failed", "canceled"] as const)("offers it further if the new conversion has %s", (state) => {
    const entry = again(state);
    expect(entry).toMatchObject({ phase: "finished", converted: { id: "c1" }, failedAgain: { id: "c2" } });
    expect(entry.kept()).toMatchObject({ conversionId: "c2", previousId: "c1" });
    entry.follow(conversionOf("c3", "queued"));
    expect(entry).toMatchObject({ phase: "queued", converted: { id: "c1" }, failedAgain: null });
  });

  it("offers it further if the new conversion is deleted", () => {
    const entry = again("failed");
    expect(entry.fallBack()).toBe(true);
    expect(entry).toMatchObject({ phase: "finished", conversion: { id: "c1" }, failedAgain: null });
    expect(entry.kept()).toMatchObject({ conversionId: "c1", previousId: null });
    expect(entry.fallBack()).toBe(false);
  });
});
