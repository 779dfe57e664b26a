import { describe, expect, it } from "vitest";
import { choose, countBesides } from "./choosing";
import { presetOf, withPreset } from "./presets";
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
  });

  it("leaves out what is the default", () => {
    expect(choose({ chapters: false }, "chapters", true, true)).toEqual({});
  });
});

describe("presets", () => {
  it("replace the quality and nothing else", () => {
    expect(withPreset({ vbr_quality: 1, channels: 1, title: "A" }, "voice")).toEqual({ title: "A", preset: "voice" });
    expect(presetOf({ preset: "what" })).toBeNull();
    expect(countBesides({ preset: "voice", title: "A" })).toBe(1);
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
      ["sound", ["vbr_quality", "copy"]],
      ["cut", ["start_s"]],
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
