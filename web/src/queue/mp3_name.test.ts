import { describe, expect, it } from "vitest";
import type { Conversion } from "../api/types";
import { Entry } from "./entry.svelte";
import { fitted, problemOf, stemOf, suffixOf } from "./mp3_name";

describe("the name of an MP3", () => {
  it("has what is typed, without the suffix and what is invisible", () => {
    expect(stemOf(" Talk.MP3 ", ".mp3")).toBe("Talk");
    expect(stemOf("Talk.mp3", ".zip")).toBe("Talk.mp3");
    expect(stemOf("a\u0007b\u202ec\ufeff", ".mp3")).toBe("abc");
    expect(stemOf("👩\u200d👧a\u200cb\u{e0067}\ufdd0\u{10ffff}", ".mp3")).toBe("👩👧ab");
    expect(stemOf("\u200d\ufffe.mp3", ".mp3")).toBe("");
    expect([suffixOf("a.b.mp3"), suffixOf("a")]).toEqual([".mp3", ""]);
  });

  it.each(["a/b", "a\\b", "a:b", "What?", '"a"', "a|b", "<a>", "a*"])("has no %s", (stem) => {
    expect(problemOf(stem)).toBe("name.characters");
  });

  it("starts and ends where browsers and file systems let it", () => {
    expect([".a", "...", "~a"].map(problemOf)).toEqual(["name.start", "name.start", "name.start"]);
    expect(["a~b", "a.b", "a.", "", "100% a&b#c;d'e", "n".repeat(240)].every((stem) => problemOf(stem) === null)).toBe(
      true,
    );
    expect(["n".repeat(241), "ö".repeat(121)].map(problemOf)).toEqual(["name.long", "name.long"]);
  });

  it("keeps its ending where it is too long", () => {
    expect(fitted("Talk", "-track2")).toBe("Talk-track2");
    expect(fitted("n".repeat(240), "-track2")).toBe(`${"n".repeat(233)}-track2`);
    expect(fitted("🇩🇪".repeat(30), "-mix")).toBe(`${"🇩🇪".repeat(29)}-mix`);
  });

  it("has the suffix of what there is after the file was converted again", () => {
    const entry = new Entry("1", { name: "Talk.mp4", size: 10, lastModified: 0 });
    entry.chosenStem = "Mine";
    expect(entry.shownName).toBe("Talk.mp4");
    entry.learn({ state: "processing", result: null } as unknown as Conversion);
    expect(entry.shownName).toBe("Talk.mp4");
    for (const suffix of [".mp3", ".zip"]) {
      entry.learn({ state: "finished", result: { name: `Talk${suffix}` } } as unknown as Conversion);
      expect(entry.shownName).toBe(`Mine${suffix}`);
    }
  });
});
