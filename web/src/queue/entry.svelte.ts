// One file on its way.

import type { Conversion, Options, Progress } from "../api/types";
import type { Kept } from "./kept";
import { isBusy, isEnded, percentOf, phaseOf, type Phase, type Standing, type Step } from "./phase";

export interface Trouble {
  code: string;
  detail: string;
  retryable: boolean;
}

/** What goes over the line for a file. */
export interface Upload {
  sizeBytes: number;
  hash: string;
  /** Not the whole file, but the sound that was taken out of it. */
  isSound: boolean;
}

export class Entry implements Standing {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly lastModified: number;
  /** As it was chosen; null where the browser does not hold it any more. */
  file = $state.raw<File | null>(null);
  options = $state.raw<Options>({});
  /** Waits with its upload for the reader's choice. */
  isHeldBack = $state(false);

  step = $state<Step>("next");
  uploadId = $state<string | null>(null);
  upload = $state.raw<Upload | null>(null);
  sentBytes = $state(0);
  speedBps = $state<number | null>(null);
  takenPercent = $state(0);
  conversion = $state.raw<Conversion | null>(null);
  progress = $state.raw<Progress | null>(null);
  trouble = $state.raw<Trouble | null>(null);
  /** Ends what the page does with it now. */
  stopper = new AbortController();

  constructor(id: string, file: { name: string; size: number; lastModified: number }) {
    this.id = id;
    this.name = file.name;
    this.size = file.size;
    this.lastModified = file.lastModified;
    if (file instanceof File) this.file = file;
  }

  get state() {
    return this.conversion?.state ?? null;
  }
  get hasProblem(): boolean {
    return this.trouble !== null;
  }
  get sent(): number {
    if (this.step === "sent") return 1;
    return this.upload?.sizeBytes ? Math.min(1, this.sentBytes / this.upload.sizeBytes) : 0;
  }
  /** Of the conversion. */
  get percent(): number {
    return this.progress?.percent ?? this.conversion?.percent ?? 0;
  }
  get phase(): Phase {
    return phaseOf(this);
  }
  get isEnded(): boolean {
    return isEnded(this);
  }
  get isBusy(): boolean {
    return isBusy(this);
  }
  get overallPercent(): number {
    return percentOf(this);
  }
  /** Until the last byte is sent, in seconds; null where that cannot be told. */
  get sendingEtaS(): number | null {
    if (!this.speedBps || !this.upload) return null;
    return (this.upload.sizeBytes - this.sentBytes) / this.speedBps;
  }

  kept(): Kept {
    return {
      id: this.id,
      name: this.name,
      sizeBytes: this.size,
      lastModified: this.lastModified,
      options: this.options,
      uploadId: this.uploadId,
      upload: this.upload,
      isSent: this.step === "sent",
      conversionId: this.conversion?.id ?? null,
    };
  }
}
