// Which track is converted unless the user chooses another one.

/** What the choice depends on. */
export interface Choosable {
  /** By ffmpeg's names. */
  readonly flags: readonly string[];
  readonly channels: number;
  /** Whether the service has a decoder. What is unknown counts as decodable, and as not empty. */
  readonly decodable?: boolean;
  readonly isEmpty?: boolean;
}

/** Flags of tracks that most listeners do not want. */
const FOR_SOME = ["comment", "visual_impaired", "hearing_impaired"];

/**
 * Returns the index of the track that is converted by default.
 *
 * If possible, it is decodable, not empty, meant for everybody, and has the default flag, in this order: the rule of the
 * service (`default_place` in src/video2mp3/engine/child/decoding/tracks.py), with which a test compares it.
 */
export function defaultTrack(tracks: readonly Choosable[]): number {
  const ranks = tracks.map(rankOf);
  return Math.max(0, ranks.indexOf(Math.min(...ranks)));
}

function rankOf({ flags, channels, decodable, isEmpty }: Choosable): number {
  const isUseless = decodable === false || isEmpty || channels === 0;
  const isForSome = FOR_SOME.some((flag) => flags.includes(flag));
  return 4 * Number(isUseless) + 2 * Number(isForSome) + Number(!flags.includes("default"));
}
