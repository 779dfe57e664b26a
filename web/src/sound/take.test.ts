import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, openAsBlob, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ALL_FORMATS, BlobSource, EncodedPacketSink, Input } from "mediabunny";
import { afterAll, describe, expect, it } from "vitest";
import { takeSound } from "./take.ts";

const folder = mkdtempSync(join(tmpdir(), "sound-"));
afterAll(() => rmSync(folder, { recursive: true }));

const hasFfmpeg = (() => {
  try {
    return Boolean(execFileSync("ffmpeg", ["-version"]));
  } catch {
    if (process.env.CI === "true") throw new Error("ffmpeg is missing, and CI=true allows no skip");
    return false;
  }
})();

/** Makes a video with ffmpeg. The picture is noise, so that it is larger than the audio. */
async function make(name: string, ...audio: string[]): Promise<File> {
  const picture = ["-f", "lavfi", "-i", "nullsrc=s=160x90:r=25:d=2,geq=random(1)*255:128:128"];
  const sound = ["-f", "lavfi", "-i", "sine=frequency=330:duration=2.1:sample_rate=48000"];
  const video = name.endsWith(".webm") ? ["libvpx", "-b:v", "4M", "-deadline", "realtime"] : ["mpeg4", "-q:v", "2"];
  const path = join(folder, name);
  execFileSync("ffmpeg", [
    "-v",
    "error",
    "-y",
    ...picture,
    ...sound,
    "-c:v",
    ...video,
    ...audio,
    "-strict",
    "-2",
    path,
  ]);
  return new File([await openAsBlob(path)], name);
}

/** The audio as an independent reader sees it: the time of each packet and the SHA-256 of its bytes. */
async function packets(file: Blob): Promise<{ video: number; codec: string | null; all: [number, string][] }> {
  const input = new Input({ source: new BlobSource(file), formats: ALL_FORMATS });
  const track = await input.getPrimaryAudioTrack();
  if (!track) throw new Error("no sound");
  const all: [number, string][] = [];
  for await (const { timestamp, data } of new EncodedPacketSink(track).packets()) {
    all.push([timestamp, createHash("sha256").update(data).digest("hex")]);
  }
  return { video: (await input.getVideoTracks()).length, codec: await track.getCodec(), all };
}

const FILES: [name: string, codec: string][] = [
  ["aac.mp4", "aac"],
  ["opus.mp4", "libopus"],
  ["mp3.mp4", "libmp3lame"],
  ["flac.mp4", "flac"],
  ["aac.mov", "aac"],
  ["aac.mkv", "aac"],
  ["opus.mkv", "libopus"],
  ["mp3.mkv", "libmp3lame"],
  ["vorbis.mkv", "libvorbis"],
  ["flac.mkv", "flac"],
  ["opus.webm", "libopus"],
  ["vorbis.webm", "libvorbis"],
];

describe.skipIf(!hasFfmpeg)("taking the sound out", { timeout: 60_000 }, () => {
  it.each(FILES)("keeps every packet of %s, and its time", async (name, codec) => {
    const file = await make(name, "-c:a", codec);
    const percents: number[] = [];
    const taken = await takeSound(file, undefined, (percent) => percents.push(percent));
    if ("why" in taken) throw new Error(taken.why);
    expect(taken.file.size).toBeLessThan(0.9 * file.size);
    expect(taken.savedBytes).toBe(file.size - taken.file.size);
    expect(taken.file.name).toBe(name);
    const [before, after] = [await packets(file), await packets(taken.file)];
    expect(before.video).toBe(1);
    expect(before.all.length).toBeGreaterThan(10);
    expect(after).toEqual({ ...before, video: 0 });
    expect(percents).toEqual([...percents].sort((one, other) => one - other));
    expect(percents.at(-1)).toBeGreaterThan(50);
  });

  it("names the content, whatever the file is called", async () => {
    const file = await make("hashed.mp4", "-c:a", "aac");
    const other = await make("other.mp4", "-c:a", "aac", "-b:a", "64k");
    const hash = async (of: File) => {
      const taken = await takeSound(of);
      return "file" in taken ? taken.hash : taken.why;
    };
    const first = await hash(file);
    expect(first).toMatch(/^[0-9a-f]{64}$/);
    expect(await hash(new File([file], "renamed.mp4"))).toBe(first);
    expect(await hash(other)).not.toBe(first);
  });

  it("stops when it is told to", async () => {
    const file = await make("stopped.mp4", "-c:a", "aac");
    await expect(takeSound(file, AbortSignal.abort(new Error("closed")))).rejects.toThrow("closed");
  });

  it("leaves a file without a picture as it is", async () => {
    const path = join(folder, "sound.m4a");
    execFileSync("ffmpeg", ["-v", "error", "-f", "lavfi", "-i", "sine=duration=2", "-c:a", "aac", path]);
    expect(await takeSound(new File([readFileSync(path)], "sound.m4a"))).toEqual({ why: "no_gain" });
  });
});

describe("other files", () => {
  it.each(["", "plain text", "\x1aE\xdf\xa3", "\0\0\0\x01moov\0\0\0\0\0\0\0\0", "\0\0\0\x10ftypisom\0\0\0\0"])(
    "go as they are (%j)",
    async (text) => {
      const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
      expect(await takeSound(new File([bytes], "text.mp4"))).toEqual({ why: "not_such_a_file" });
    },
  );

  it("that cannot be read any more are uploaded whole", async () => {
    class Gone extends File {
      override slice(): Blob {
        throw new DOMException("gone", "NotFoundError");
      }
    }
    expect(await takeSound(new Gone(["some bytes"], "gone.mp4"))).toEqual({ why: "unreadable" });
  });
});
