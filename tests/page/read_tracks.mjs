// Reads the audio tracks of files as the page does. Paths in, one a line; one line of JSON out for each: {"tracks", "place"}.

import { openAsBlob } from "node:fs";
import { createInterface } from "node:readline";
import { defaultTrack } from "../../web/src/sound/default_track.ts";
import { readTracks } from "../../web/src/sound/tracks.ts";

for await (const path of createInterface({ input: process.stdin })) {
  const tracks = await readTracks(await openAsBlob(path));
  console.log(JSON.stringify({ tracks, place: defaultTrack(tracks) }));
}
