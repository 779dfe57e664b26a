import { describe, expect, it } from "vitest";
import { barsOf, pathOf } from "./bars";
import { linesOf, mark, marksIn, troubleWith } from "./chapters";
import { keyed, moved, spaced, withPart } from "./region";

const KEPT = { start: 10, end: 20 };

describe("a section", () => {
  it.each([
    ["start", 15, { start: 15, end: 20 }],
    ["end", 12.3456, { start: 10, end: 12.346 }],
    ["end", 60.04, { start: 10, end: 60 }],
    ["length", 5, { start: 10, end: 15 }],
    ["length", 50, { start: 10, end: 60 }],
    ["start", 20, { key: "trim.reversed", values: {} }],
    ["end", 9, { key: "trim.reversed", values: {} }],
    ["start", 60, { key: "trim.start_beyond", values: { total: "1:00" } }],
    ["end", 61, { key: "trim.end_beyond", values: { total: "1:00" } }],
    ["length", 50.1, { key: "trim.too_long", values: { total: "1:00" } }],
    ["length", 0, { key: "trim.no_length", values: {} }],
  ] as const)("has a typed %s of %s, or says what is wrong", (part, seconds, found) => {
    expect(withPart(KEPT, part, seconds, 60)).toEqual(found);
  });

  it("keeps a length between its handles, and stays within what is shown", () => {
    const shown = { start: 5, end: 30 };
    expect(moved(KEPT, "start", 25, shown)).toEqual({ start: 19.9, end: 20 });
    expect(moved(KEPT, "start", 0, shown)).toEqual({ start: 5, end: 20 });
    expect(moved(KEPT, "end", 99, shown)).toEqual({ start: 10, end: 30 });
    expect(moved({ start: 0, end: 0.03 }, "start", 0.01, { start: 0, end: 0.03 })).toEqual({ start: 0, end: 0.03 });
  });

  it("moves by keys: a second, ten, a tenth, and to the bounds", () => {
    const press = (key: string, more: Partial<KeyboardEvent> = {}) =>
      keyed({ key, shiftKey: false, ctrlKey: false, altKey: false, ...more } as KeyboardEvent, 10, {
        start: 9,
        end: 60,
      });
    expect(press("ArrowRight")).toBe(11);
    expect(press("ArrowUp", { shiftKey: true })).toBe(20);
    expect(press("ArrowLeft", { altKey: true })).toBe(9.9);
    expect(press("ArrowRight", { ctrlKey: true })).toBe(10.1);
    expect(press("PageDown")).toBe(9);
    expect([press("Home"), press("End"), press("x")]).toEqual([9, 60, undefined]);
  });
});

describe("what lies on the waveform", () => {
  it("leaves room between the numbers of many chapters", () => {
    expect(spaced([0, 1, 9, 10, 19, 25], (place) => place, 10)).toEqual([0, 10, 25]);
  });
});

describe("chapters", () => {
  it("are lines in the order of time, whatever their names hold", () => {
    const marks = [mark(90.5, "b\nc  <b>"), mark(0, " 🐝 "), mark(3600)];
    expect(linesOf(marks)).toBe("0:00 🐝\n1:30.5 b c <b>\n1:00:00");
    expect(marksIn(linesOf(marks)).map(({ start, title }) => [start, title])).toEqual([
      [0, "🐝"],
      [90.5, "b c <b>"],
      [3600, ""],
    ]);
  });

  it("say why the API would not take them", () => {
    expect(troubleWith([mark(1), mark(2)], 60)).toBeUndefined();
    expect(troubleWith([mark(1), mark(1.0001)], 60)).toBe("same");
    expect(troubleWith([mark(60)], 60)).toBe("beyond");
    const many = (count: number, title: string) => Array.from({ length: count }, (_, at) => mark(at, title));
    expect(troubleWith(many(1000, ""), Infinity)).toBe("many");
    expect(troubleWith(many(500, "🐝".repeat(20)), Infinity)).toBeUndefined();
    expect(troubleWith(many(170, "x".repeat(300)), Infinity)).toBe("long");
  });
});

describe("the waveform", () => {
  it("has bars of the highest peaks, as high as the loudest allows", () => {
    expect(barsOf([0, 0.1, 0.5, 0.2], 2)).toEqual([0.2, 1]);
    expect(barsOf([0.25, 0.5], 4)).toEqual([0.5, 0.5, 1, 1]);
    expect(barsOf([0, 0], 2)).toEqual([0, 0]);
    expect(barsOf([], 2)).toEqual([0, 0]);
  });

  it("draws silence as dots", () => {
    expect(pathOf([0, 1], 3, 64)).toBe("M0.0 31.0h2.0v2.0h-2.0zM3.0 1.0h2.0v62.0h-2.0z");
  });
});
