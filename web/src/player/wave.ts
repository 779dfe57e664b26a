// The waveform, drawn by wavesurfer from the service's peaks. Loaded when the first MP3 is played.

import WaveSurfer from "wavesurfer.js";
import Regions, { type Region } from "wavesurfer.js/plugins/regions";
import type { Waveform } from "../api/types";

export interface Trim {
  start: number;
  end: number;
}

/** The page's nonce. Without it, the browser rejects the styles that wavesurfer adds. */
function nonce(): string {
  return document.querySelector<HTMLScriptElement>("script[nonce]")?.nonce ?? "";
}

function colour(name: string): string {
  // A canvas supports neither variables nor `light-dark()`, so an element resolves the colour.
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function colours() {
  return { waveColor: colour("--line-strong"), progressColor: colour("--accent"), cursorColor: colour("--ink") };
}

export class Wave {
  readonly #surfer: WaveSurfer;
  readonly #regions = Regions.create();
  readonly #scheme = matchMedia("(prefers-color-scheme: dark)");
  readonly #repaint = () => this.#surfer.setOptions(colours());
  readonly #watcher = new MutationObserver(this.#repaint);
  #region: Region | null = null;

  constructor(container: HTMLElement, media: HTMLAudioElement, waveform: Waveform) {
    this.#surfer = WaveSurfer.create({
      container,
      media,
      peaks: [waveform.peaks],
      duration: waveform.duration_s,
      height: 64,
      barWidth: 2,
      barGap: 1,
      barRadius: 2,
      cursorWidth: 1,
      normalize: true,
      dragToSeek: false,
      cspNonce: nonce(),
      plugins: [this.#regions],
      ...colours(),
    });
    this.#scheme.addEventListener("change", this.#repaint);
    this.#watcher.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  /** Enables the selection of a region by dragging; `onchange` receives each change. */
  chooseTrim(onchange: (trim: Trim) => void): void {
    this.#regions.enableDragSelection({ color: this.#tint() });
    this.#regions.on("region-created", (region) => {
      if (region !== this.#region) this.#region?.remove();
      this.#region = region;
      onchange({ start: region.start, end: region.end });
    });
    this.#regions.on("region-update", (region) => onchange({ start: region.start, end: region.end }));
  }

  /** Shows a region that was selected elsewhere; null shows none. */
  showTrim(trim: Trim | null): void {
    if (!trim) {
      this.#region?.remove();
      this.#region = null;
    } else if (!this.#region) {
      this.#region = this.#regions.addRegion({ ...trim, color: this.#tint() });
    } else if (Math.abs(this.#region.start - trim.start) > 0.005 || Math.abs(this.#region.end - trim.end) > 0.005) {
      this.#region.setOptions(trim);
    }
  }

  destroy(): void {
    this.#scheme.removeEventListener("change", this.#repaint);
    this.#watcher.disconnect();
    this.#surfer.destroy();
  }

  #tint(): string {
    return colour("--accent").replace(/^rgb\((.*)\)$/, "rgba($1, 0.22)");
  }
}
