// Takes the sound out of files as the page does. One line of JSON in, one out, for each: {"from", "to"} → {"saved", "hash"} or {"why"}.

import { openAsBlob } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { takeSound } from "../../web/src/sound/take.ts";

for await (const line of createInterface({ input: process.stdin })) {
  const { from, to } = JSON.parse(line);
  const taken = await takeSound(new File([await openAsBlob(from)], "video"));
  if ("file" in taken) await writeFile(to, taken.file.stream());
  console.log(
    JSON.stringify(
      "file" in taken ? { saved: taken.savedBytes, hash: taken.hash } : taken,
    ),
  );
}
