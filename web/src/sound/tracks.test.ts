import { execFileSync } from "node:child_process";
import { mkdtempSync, openAsBlob, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readTracks } from "./tracks.ts";

const folder = mkdtempSync(join(tmpdir(), "tracks-"));
afterAll(() => rmSync(folder, { recursive: true }));

const hasFfmpeg = (() => {
  try {
    return Boolean(execFileSync("ffmpeg", ["-version"]));
  } catch {
    if (process.env.CI === "true") throw new Error("ffmpeg is missing, and CI=true allows no skip");
    return false;
  }
})();

async function make(name: string, ...output: string[]): Promise<Blob> {
  const path = join(folder, name);
  const inputs = ["-f", "lavfi", "-i", "color=c=red:s=32x32:r=5:d=0.5", "-f", "lavfi", "-i", "sine=d=0.5"];
  execFileSync("ffmpeg", [
    "-v",
    "error",
    "-y",
    ...inputs,
    "-map",
    "0:v",
    "-c:v",
    "mpeg4",
    "-c:a",
    "aac",
    ...output,
    path,
  ]);
  return openAsBlob(path);
}

const TWO = [
  ...["-map", "1:a", "-map", "1:a", "-ac:a:1", "2", "-metadata:s:a:0", "language=deu"],
  ...["-metadata:s:a:1", "language=eng", "-metadata:s:a:1", "title=Ada’s view"],
  ...["-disposition:a:0", "0", "-disposition:a:1", "default+comment"],
];

describe.skipIf(!hasFfmpeg)("the audio tracks of a video", { timeout: 60_000 }, () => {
  it("are those that the service finds", async () => {
    const usable = { decodable: true, isEmpty: false };
    const german = { ...usable, language: "deu", title: null, channels: 1, flags: [] };
    const english = { ...usable, language: "eng", title: "Ada’s view", channels: 2, flags: ["default", "comment"] };
    expect(await readTracks(await make("two.mkv", ...TWO))).toEqual([german, english]);
    // MP4 has no flag for commentary.
    const inMp4 = await readTracks(await make("two.mp4", ...TWO));
    expect(inMp4).toEqual([german, { ...english, title: inMp4[1]?.title, flags: ["default"] }]);
    expect(await readTracks(await make("late.mp4", ...TWO, "-movflags", "+faststart"))).toEqual(inMp4);
  });

  it("may be twenty", async () => {
    const twenty = Array.from({ length: 20 }, () => ["-map", "1:a"]).flat();
    expect(await readTracks(await make("twenty.mkv", ...twenty))).toHaveLength(20);
    expect(await readTracks(await make("twenty.mp4", ...twenty))).toHaveLength(20);
  });

  it("are none where the head is damaged", async () => {
    for (const name of ["two.mkv", "two.mp4"]) {
      const whole = new Uint8Array(await (await make(name, ...TWO)).arrayBuffer());
      for (let place = 0; place < 1500; place += 7) {
        const damaged = whole.slice();
        damaged[place] = 255 - (damaged[place] ?? 0);
        expect((await readTracks(new Blob([damaged]))).length).toBeLessThanOrEqual(200);
        await readTracks(new Blob([whole.subarray(0, place)]));
      }
    }
  });
});

describe("other files", () => {
  it.each(["", "plain text", "\x1aE\xdf\xa3", "\0\0\0\x01moov\0\0\0\0\0\0\0\0", "\0\0\0\x08moov"])(
    "have no tracks that are known (%j)",
    async (text) => {
      expect(await readTracks(new Blob([Uint8Array.from(text, (character) => character.charCodeAt(0))]))).toEqual([]);
    },
  );
});
