// Tells whoever looks elsewhere: the window's title, and a notification where that was asked for.

import { percent } from "../format";
import { t } from "../texts/texts";
import type { Summary } from "./phase";

let permission = $state(typeof Notification === "undefined" ? "denied" : Notification.permission);

/** Whether asking for it makes sense: the browser has it, and the reader has not said yes or no. */
export function canNotify(): boolean {
  return permission === "default";
}

export async function askToNotify(): Promise<void> {
  permission = await Notification.requestPermission();
}

export function titleOf(summary: Summary): string {
  if (summary.busy) return `${percent(summary.percent)} · video2mp3`;
  return summary.finished ? `✓ ${t("overall.done", { count: summary.finished })} · video2mp3` : "video2mp3";
}

/** To be called whenever nothing is under way any more. */
export function tellDone(summary: Summary): void {
  if (permission !== "granted" || document.visibilityState === "visible") return;
  const notification = new Notification(t("overall.done", { count: summary.finished }), { icon: "page/icon-192.png" });
  notification.onclick = () => window.focus();
}
