export { takeSound, type Taken, type Why } from "./take.ts";
export { readTracks, type SoundTrack } from "./tracks.ts";
