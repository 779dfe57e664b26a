import { describe, expect, it } from "vitest";
import { contradictions, optionOf, parse } from "./checks";
import { choose, countBesides, ruledOut } from "./choosing";
import {
  bytesPerMinute,
  hasSameQuality,
  presetOf,
  withMode,
  withoutPreset,
  withPreset,
  withQualityOf,
} from "./presets";
import { requestOf } from "./request";
import { fieldOf, fieldsIn, grouped } from "./schema";

describe("choosing an option", () => {
  it("takes the place of what it contradicts", () => {
    expect(choose({ preset: "high", title: "A" }, "bitrate_kbps", 128)).toEqual({ title: "A", bitrate_kbps: 128 });
    expect(choose({ preset: "high", channels: 1, title: "A" }, "copy", true)).toEqual({ title: "A", copy: true });
    expect(choose({ copy: true }, "channels", 1)).toEqual({ channels: 1 });
    expect(choose({ cover: "none" }, "cover_at_s", 3)).toEqual({ cover_at_s: 3 });
    expect(choose({ split: "silence", silence_s: 3 }, "split", "chapters")).toEqual({ split: "chapters" });
    expect(choose({ split: "silence", silence_s: 3 }, "split", null)).toEqual({});
    expect(choose({}, "silence_s", 3)).toEqual({ split: "silence", silence_s: 3 });
    expect(choose({ keep_private_tags: true }, "keep_tags", false)).toEqual({ keep_tags: false });
    expect(choose({ copy: true, timing: "packed" }, "track", "mix")).toEqual({ track: "mix" });
    expect(choose({ track: "mix" }, "timing", "packed")).toEqual({ timing: "packed" });
    expect(choose({ cover_at_s: 3 }, "cover_upload_id", "p1")).toEqual({ cover_upload_id: "p1" });
  });

  it("leaves out what is the default", () => {
    expect(choose({ chapters: false }, "chapters", true, true)).toEqual({});
  });
});

describe("options that nothing would come of", () => {
  it("are not offered", () => {
    expect(ruledOut({ copy: true, split: "silence" })).toContain("loudness_lufs");
    expect(ruledOut({ copy: true, split: "silence" })).not.toContain("silence_s");
    expect(ruledOut({ keep_tags: false, track: "mix" })).toEqual(
      expect.arrayContaining(["silence_s", "keep_private_tags", "timing"]),
    );
  });
});

describe("presets", () => {
  it("replace the quality and nothing else", () => {
    expect(withPreset({ vbr_quality: 1, channels: 1, title: "A" }, "voice")).toEqual({ title: "A", preset: "voice" });
    expect(presetOf({ preset: "what" })).toBeNull();
    expect(countBesides({ preset: "voice", title: "A" })).toBe(1);
    expect(withQualityOf({ title: "A", vbr_quality: 1 }, { preset: "high", channels: 1, album: "B" })).toEqual({
      title: "A",
      preset: "high",
      channels: 1,
    });
  });

  it("can be left for the same quality in other words, which can then be changed", () => {
    const voice = { preset: "voice", title: "A" };
    const spelled = withoutPreset(voice);
    expect(spelled).toEqual({ average_kbps: 48, channels: 1, sample_rate_hz: 24000, title: "A" });
    expect(hasSameQuality(voice, spelled)).toBe(true);
    expect(hasSameQuality({}, { preset: "standard" })).toBe(true);
    expect(hasSameQuality(voice, { ...spelled, average_kbps: 64 })).toBe(false);
    expect(presetOf(spelled)).toBeNull();
    expect(withMode(voice, "bitrate_kbps")).toEqual({
      bitrate_kbps: 192,
      channels: 1,
      sample_rate_hz: 24000,
      title: "A",
    });
    expect(withMode({ preset: "max" }, "bitrate_kbps")).toEqual({ bitrate_kbps: 320 });
    expect(withMode({ copy: true }, "vbr_quality")).toEqual({ vbr_quality: 2 });
  });

  it("tell the size of a minute", () => {
    expect(bytesPerMinute({ preset: "podcast" })).toBe(960_000);
    expect(bytesPerMinute({ vbr_quality: 2 })).toBe(bytesPerMinute({}));
    expect(bytesPerMinute({ copy: true })).toBeNull();
  });
});

describe("the API's options", () => {
  it("become fields by their schema, also those that the page does not know", () => {
    const nullable = { anyOf: [{ type: "number" }, { type: "null" }], default: null };
    const properties = {
      start_s: nullable,
      vbr_quality: { ...nullable, anyOf: [{ type: "integer" }, { type: "null" }], maximum: 9 },
      copy: { type: "boolean", default: false },
      brand_new: { type: "string", maxLength: 20, title: "Brand New" },
      preset: { type: "string" },
    };
    const fields = fieldsIn({ components: { schemas: { ConversionOptions: { properties } } } });
    expect(fields.map(({ name, kind }) => [name, kind])).toEqual([
      ["start_s", "time"],
      ["vbr_quality", "integer"],
      ["copy", "flag"],
      ["brand_new", "text"],
      ["preset", "text"],
    ]);
    expect(grouped(fields).map(([group, found]) => [group, found.map(({ name }) => name)])).toEqual([
      ["cut", ["start_s"]],
      ["cover", []],
      ["other", ["brand_new"]],
    ]);
  });

  it("have the bounds of the schema", () => {
    expect(fieldOf("channels", { type: "integer", minimum: 1, maximum: 2 })).toMatchObject({ min: 1, max: 2 });
    const channels = {
      anyOf: [{ type: "integer", enum: [1, 2] }, { type: "string", enum: ["left"] }, { type: "null" }],
    };
    expect(fieldOf("channels", channels)).toMatchObject({ kind: "choice", choices: [1, 2, "left", null] });
    expect(fieldOf("cover", { enum: ["source", "none"], default: "source" })).toMatchObject({ kind: "choice" });
  });
});

describe("a typed value", () => {
  const { any, date, track, title, rate } = {
    any: fieldOf("fade_in_s", { anyOf: [{ type: "number" }, { type: "null" }], minimum: 0, maximum: 60 }),
    date: fieldOf("date", { type: "string", maxLength: 10 }),
    track: fieldOf("track", { type: "string", maxLength: 20 }),
    title: fieldOf("title", { type: "string", maxLength: 300 }),
    rate: fieldOf("average_kbps", { type: "integer", minimum: 8, maximum: 320 }),
  };
  it("becomes the option's value", () => {
    expect(parse(any, "2,5")).toEqual({ value: 2.5 });
    expect(parse(any, " ")).toEqual({ value: null });
    expect(parse(date, " 2026-11 ")).toEqual({ value: "2026-11" });
    expect(parse(track, "deu")).toEqual({ value: "deu" });
    expect(parse(title, "𝄞".repeat(300))).toEqual({ value: "𝄞".repeat(300) });
  });

  it.each([
    [any, "61"],
    [any, "one"],
    [date, "2026-13"],
    [date, "24.11.2026"],
    [track, "0"],
    [track, "the first"],
    [title, "x".repeat(10_000)],
    [rate, "1.5"],
    [rate, "1000"],
  ])("is refused in words where the service would refuse it (%#)", (field, text) => {
    expect(parse(field, text)).toEqual({ problem: expect.stringContaining("option.") });
  });
});

describe("an error", () => {
  it("is shown at the option that it is about", () => {
    expect(optionOf("invalid_option", "date: must be YYYY.")).toBe("date");
    expect(optionOf("invalid_option", "cover_upload_id: the picture is larger than 5 MB.")).toBe("cover");
    expect(optionOf("track_not_found", "")).toBe("track");
    expect(optionOf("engine_error", "x: y")).toBeUndefined();
    expect(contradictions({ start_s: 5, end_s: 5 })).toHaveProperty("end_s");
    expect(contradictions({ end_s: 5 })).toEqual({});
  });
});

describe("the request", () => {
  it("has the picture of the cover beside the options", () => {
    expect(requestOf({ upload_id: "u" }, { title: "A", cover_upload_id: "p" })).toEqual({
      upload_id: "u",
      options: { title: "A" },
      cover_upload_id: "p",
    });
    expect(requestOf({ upload_id: "u" }, {})).toEqual({ upload_id: "u", options: {} });
  });
});
