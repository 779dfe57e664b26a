// One file in the queue.

import type { Conversion, Options, Progress } from "../api/types";
import type { Kept } from "./kept";
import { isBusy, isEnded, percentOf, phaseOf, type Phase, type Standing, type Step } from "./phase";

export interface Trouble {
  code: string;
  detail: string;
  retryable: boolean;
}

/** The upload of a file. */
export interface Upload {
  sizeBytes: number;
  hash: string;
  /** Whether only the extracted audio is uploaded. */
  isSound: boolean;
}

export class Entry implements Standing {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly lastModified: number;
  /** The chosen file; null if the browser no longer has it. */
  file = $state.raw<File | null>(null);
  options = $state.raw<Options>({});
  /** Whether the upload waits for the user's choice of options. */
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
  /** Aborts the current step. */
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
  /** Seconds until the last byte is sent; null if unknown. */
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
