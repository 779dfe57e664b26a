import { describe, expect, it } from "vitest";
import { arrange, countGroups, groupOf, type Arrangeable, type Order } from "./arrange";
import type { Phase } from "./phase";

function item(shownName: string, phase: Phase, durationS: number | null, sizeBytes: number): Arrangeable {
  return { shownName, phase, durationS, sizeBytes };
}

const ITEMS = [
  item("Talk 10.mp3", "finished", 60, 10),
  item("talk 9.mp3", "failed", null, 900),
  item("Älter.mp3", "uploading", null, 500),
  item("Break.mp3", "finished", 3600, 30),
  item("Zoom.mp3", "canceled", null, 1),
];
const names = (items: readonly Arrangeable[]) => items.map(({ shownName }) => shownName.split(".")[0]);

describe("the order", () => {
  it.each<[Order, string[]]>([
    ["added", ["Talk 10", "talk 9", "Älter", "Break", "Zoom"]],
    ["newest", ["Zoom", "Break", "Älter", "talk 9", "Talk 10"]],
    ["name", ["Älter", "Break", "talk 9", "Talk 10", "Zoom"]],
    ["state", ["talk 9", "Älter", "Talk 10", "Break", "Zoom"]],
    ["length", ["Break", "Talk 10", "talk 9", "Älter", "Zoom"]],
    ["size", ["talk 9", "Älter", "Break", "Talk 10", "Zoom"]],
  ])("is by %s", (order, expected) => {
    expect(names(arrange(ITEMS, null, order))).toEqual(expected);
  });

  it("leaves the queue as it is", () => {
    const before = [...ITEMS];
    arrange(ITEMS, null, "name");
    expect(ITEMS).toEqual(before);
  });
});

describe("the groups", () => {
  it("have each file in one of them", () => {
    expect(countGroups(ITEMS)).toEqual({ working: 1, ready: 2, failed: 1, canceled: 1 });
    expect(names(arrange(ITEMS, "ready", "length"))).toEqual(["Break", "Talk 10"]);
    expect(arrange([], "failed", "name")).toEqual([]);
  });

  it("count what waits for the user as work, and what was refused as failed", () => {
    for (const phase of ["lost", "paused", "ready", "next"] as const) expect(groupOf(phase)).toBe("working");
    expect(groupOf("refused")).toBe("failed");
  });
});
