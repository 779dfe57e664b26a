// The window's title, and a browser notification if the user asked for one.

import { percent } from "../format";
import { t } from "../texts/texts";
import type { Summary } from "./phase";

let permission = $state(typeof Notification === "undefined" ? "denied" : Notification.permission);

/** Whether the page can ask for permission: the browser supports notifications, and the user has not decided yet. */
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

/** Call this when nothing is in progress any more. */
export function notifyDone(summary: Summary): void {
  if (permission !== "granted" || document.visibilityState === "visible") return;
  // All hidden tabs notify; the tag makes one notification of theirs.
  const shown = { icon: "page/icon-192.png", tag: "video2mp3" };
  const notification = new Notification(t("overall.done", { count: summary.finished }), shown);
  notification.onclick = () => window.focus();
}
