import { describe, expect, it } from "vitest";
import { Entry } from "./entry.svelte";

function keptTracks(count: number, title: string) {
  const entry = new Entry("1", { name: "Talk.mkv", size: 10, lastModified: 0 });
  const track = { language: "eng", title, channels: 2, flags: ["default"], decodable: true, isEmpty: false };
  entry.tracks = Array.from({ length: count }, () => ({ ...track, bitrate_bps: 128_000 }));
  return entry.kept().tracks;
}

describe("the stored tracks", () => {
  it("have what the row shows of them", () => {
    const [track, ...others] = keptTracks(20, "Director");
    expect(track).toEqual({
      language: "eng",
      title: "Director",
      channels: 2,
      flags: ["default"],
      decodable: true,
      isEmpty: false,
    });
    expect(others).toHaveLength(19);
  });

  it("have short titles, cut between two characters", () => {
    expect(keptTracks(2, "👩".repeat(300)).map(({ title }) => title)).toEqual(["👩".repeat(80), "👩".repeat(80)]);
  });

  it("are none where they are too many", () => {
    expect(keptTracks(200, "x".repeat(300))).toEqual([]);
    expect(keptTracks(4, "\u0001".repeat(300)).length).toBe(4);
    expect(keptTracks(8, "\u0001".repeat(300))).toEqual([]);
  });
});
