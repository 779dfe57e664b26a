// The texts of a row: a short state and one line of figures.

import { bytes, clock, decimal, percent, roughly } from "../format";
import { explainCode } from "../problems";
import { t } from "../texts/texts";
import type { Entry } from "./entry.svelte";

/** Returns the state in one or two words. */
export function stateOf(entry: Entry): string {
  switch (entry.phase) {
    case "next":
      return t("state.next");
    case "taking":
      return t("state.taking", { percent: percent(entry.takenPercent) });
    case "uploading":
      return t("state.uploading", { percent: percent(100 * entry.sent) });
    case "paused":
      return t("state.paused", { percent: percent(100 * entry.sent) });
    case "lost":
      return t("state.lost", { percent: percent(100 * entry.sent) });
    case "ready":
      return t(entry.isUnfetched ? "state.unfetched" : "state.ready");
    case "queued":
      return t(entry.url !== null && entry.state === "waiting" ? "state.fetching" : "state.queued");
    case "processing":
      return t("state.processing", { percent: percent(entry.percent) });
    case "finished":
      return t("state.finished");
    case "canceled":
      return t("state.canceled");
    case "refused":
      return t("state.refused");
    case "failed":
      return t("state.failed");
  }
}

/** Returns the figures below the state: speed, time left, size. Empty if there are none. */
export function figuresOf(entry: Entry): string {
  const { phase, upload, progress, converted } = entry;
  if (phase === "uploading" && upload) {
    const sent = t("figures.sent", { sent: bytes(entry.sentBytes), size: bytes(upload.sizeBytes) });
    return joined([
      elsewhere(entry),
      sent,
      entry.speedBps && `${bytes(entry.speedBps)}/s`,
      left(entry.sendingEtaS),
      alongside(entry),
    ]);
  }
  if (phase === "processing") {
    const speed = progress?.speed
      ? t("figures.speed", { speed: decimal(progress.speed, progress.speed < 10 ? 1 : 0) })
      : "";
    return joined([speed, left(progress?.eta_s ?? null)]);
  }
  if (phase === "finished" && converted?.result) {
    const { duration_s: durationS, size_bytes: sizeBytes } = converted.result;
    return joined([durationS && clock(durationS), bytes(sizeBytes)]);
  }
  return elsewhere(entry);
}

/** Returns what there is to know about a finished file besides its figures, and less among others; empty if nothing. */
export function noteOf({ upload, size }: Entry, isAlone: boolean): string {
  const saved = isAlone && upload?.isSound ? 100 * (1 - upload.sizeBytes / size) : 0;
  return saved >= 1 ? t("figures.saved", { percent: percent(saved) }) : "";
}

/** Returns what became of converting a finished file again, as long as its previous MP3 stays; empty if it does not. */
export function againOf({ failedAgain, previous }: Entry): string {
  if (!previous) return "";
  if (!failedAgain) return t("again.keeps");
  const { error } = failedAgain;
  return error ? t("again.failed", { why: explainCode(error.code, error.detail) }) : t("again.canceled");
}

/** Returns what failed and what to do; empty if nothing failed. */
export function troubleOf(entry: Entry): string {
  if (entry.phase === "failed" && entry.conversion?.error) {
    return explainCode(entry.conversion.error.code, entry.conversion.error.detail);
  }
  if (!entry.trouble || entry.trouble.code === "canceled") return "";
  return explainCode(entry.trouble.code, entry.trouble.detail);
}

function elsewhere(entry: Entry): string {
  return entry.isElsewhere ? t("figures.elsewhere") : "";
}

function alongside(entry: Entry): string {
  return entry.state === "processing" ? t("figures.alongside", { percent: percent(entry.percent) }) : "";
}

function left(seconds: number | null): string {
  return seconds === null ? "" : t("figures.left", { time: roughly(seconds) });
}

function joined(parts: readonly (string | null | 0 | false)[]): string {
  return parts.filter(Boolean).join(" · ");
}
