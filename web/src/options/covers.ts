// The cover that the options ask for, uploaded as a picture where the service has no video to take it from.

import type { Options } from "../api/types";
import { heldFile, holdFile } from "../queue/kept";
import { owner } from "../queue/list.svelte";
import { choose, withoutCover } from "./choosing";
import { frameOf, uploadPicture } from "./pictures";
import { KEPT } from "./request";

/** Each account's own: another user of this browser, even of this tab, must not get it. */
const place = () => `${KEPT}.${owner.userId}`;

/** In private windows nothing is stored. */
let kept: { place: string; picture: File } | null = null;

export async function keepCover(picture: Blob): Promise<void> {
  kept = { place: place(), picture: new File([picture], "cover.jpg", { type: picture.type }) };
  await holdFile(kept.place, kept.picture);
}

/** Returns the picture for all files; null if this browser no longer has it. */
export async function keptCover(): Promise<File | null> {
  return kept?.place === place() ? kept.picture : heldFile(place());
}

/**
 * Returns the options with the uploaded picture in place of the one that they ask for.
 *
 * A frame that the browser cannot take stays for the service, which then needs the whole video. Throws a Problem.
 */
export async function withCover(options: Options, file: File | null): Promise<Options> {
  const none = withoutCover(options);
  if (options.cover_upload_id === KEPT) {
    const picture = await keptCover();
    return picture ? choose(options, "cover_upload_id", await uploadPicture(picture)) : none;
  }
  if (typeof options.cover_at_s !== "number" || !file) return options;
  if (file.type.startsWith("audio/")) return none;
  const frame = await frameOf(file, options.cover_at_s).catch(() => null);
  return frame ? choose(options, "cover_upload_id", await uploadPicture(frame)) : options;
}
