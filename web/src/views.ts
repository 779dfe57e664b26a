// The code of the views. Each loads with the first visit, and all of them while the browser is idle.

import type { Component } from "svelte";
import type { View } from "./route.svelte";

export const LOADERS: Record<View, () => Promise<{ default: Component }>> = {
  convert: () => import("./views/Convert.svelte"),
  history: () => import("./views/History.svelte"),
  account: () => import("./views/Account.svelte"),
  admin: () => import("./views/Admin.svelte"),
  "sign-in": () => import("./views/SignIn.svelte"),
};

export const CHANGE = () => import("./options/Change.svelte");
export const FOR_ALL = () => import("./options/ForAll.svelte");
export const LIST = () => import("./queue/List.svelte");
export const CUSTOM_QUALITY = () => import("./options/CustomQuality.svelte");
export const FRAME = () => import("./options/Frame.svelte");
export const OWN_PICTURE = () => import("./options/OwnPicture.svelte");
export const RECONVERT = () => import("./options/Reconvert.svelte");
export const TRACKS = () => import("./options/Tracks.svelte");
export const SHARE = () => import("./history/Share.svelte");

/** What the next clicks and drops need. A drop works offline too. */
const SOON: readonly (() => Promise<unknown>)[] = [
  LIST,
  () => import("./installed/received.svelte").then(({ start }) => start()),
  () => import("./sound/index"),
  () => import("./queue/sender"),
  () => import("./player/Trimming.svelte"),
  CHANGE,
  FOR_ALL,
  CUSTOM_QUALITY,
  FRAME,
  OWN_PICTURE,
  RECONVERT,
  TRACKS,
  SHARE,
  LOADERS.history,
  LOADERS.account,
];

/** Loads the rest of the page, one file at a time, while the browser has nothing else to do. */
export async function loadWhenIdle(): Promise<void> {
  for (const load of SOON) {
    await idle();
    await load().catch(() => {}); // offline, or a newer version: the click reports it
  }
}

function idle(): Promise<void> {
  return new Promise((resolve) => {
    if ("requestIdleCallback" in window) requestIdleCallback(() => resolve(), { timeout: 3000 });
    else setTimeout(resolve, 500);
  });
}
