// One file in the queue.

import { Problem } from "../api/client";
import type { Conversion, Options, Progress } from "../api/types";
import type { Track } from "../options/tracks";
import { TAB } from "../tabs/channel";
import { assign, reportedOf, storedOf, type Kept, type Row } from "./fields";
import { suffixOf } from "./mp3_name";
import { isRetryable } from "./remedies";
import { isBusy, isEnded, phaseOf, type Phase, type Standing, type Step } from "./phase";

/** The upload of a file. */
export interface Upload {
  sizeBytes: number;
  hash: string;
  /** Whether only the extracted audio is uploaded. */
  isSound: boolean;
}

/** Why an entry cannot go on. */
export interface Trouble {
  code: string;
  detail: string;
  retryable: boolean;
}

export class Entry implements Standing {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly lastModified: number;
  /** The chosen file; null if the browser no longer has it. */
  file = $state.raw<File | null>(null);
  /** What is uploaded of the file, as soon as it is known: the file or its audio. */
  content: File | null = null;
  /** Where the service downloads the file from; null if the browser has it. */
  url: string | null = null;
  options = $state.raw<Options>({});
  /** Whether the conversion waits for the user's choice of options. */
  isHeldBack = $state(false);
  /** The tab that has the file and sends it; null if none has to. */
  sender = $state<string | null>(null);
  /** How many times a tab has made itself the sender, or has converted the file again. */
  turn = $state(0);
  /** When this tab last heard of it, if another one sends it. */
  heardMs = 0;

  /** The folder that the file was chosen or dropped with, such as `Talks/Day 2`; empty if it came alone. */
  folder = "";
  /** The audio tracks that the browser or the service has found; empty if there is only one, or none is known yet. */
  tracks = $state.raw<readonly Track[]>([]);

  /** What the user calls the MP3, without the suffix; null if it has the name that the service gave it. */
  chosenStem = $state<string | null>(null);

  step = $state<Step>("next");
  uploadId = $state<string | null>(null);
  upload = $state.raw<Upload | null>(null);
  sentBytes = $state(0);
  speedBps = $state<number | null>(null);
  takenPercent = $state(0);
  conversion = $state.raw<Conversion | null>(null);
  /** Of the stored or reported row, whose conversion may be unknown because it could not be read. */
  conversionId = $state<string | null>(null);
  /** While a finished file is converted again: the conversion whose MP3 stays until the new one is there. */
  previous = $state.raw<Conversion | null>(null);
  /** The same of `previous`. */
  previousId = $state<string | null>(null);
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

  /** Whether another tab has the file. The sender of a lost file has ended, or is silent. */
  get isElsewhere(): boolean {
    return this.sender !== null && this.sender !== TAB && this.step !== "lost";
  }
  /** Whether the entry can start: its file is here, or at a URL. */
  get isAvailable(): boolean {
    return this.file !== null || this.url !== null;
  }
  /** The upload that further conversions read: of the page, or what the service has downloaded. */
  get sourceId(): string | null {
    return this.uploadId ?? this.conversion?.source.upload_id ?? null;
  }
  /** Whether the service has not downloaded the file yet, so that nobody knows its contents. */
  get isUnfetched(): boolean {
    return this.url !== null && this.sourceId === null;
  }
  /** What the row is called: the MP3, or the file if there is none yet. */
  get shownName(): string {
    const name = this.converted?.result?.name;
    if (name === undefined) return this.name;
    return this.chosenStem === null ? name : this.chosenStem + suffixOf(name);
  }
  /** The conversion whose MP3 the row offers. */
  get converted(): Conversion | null {
    return this.conversion?.state === "finished" ? this.conversion : this.previous;
  }
  /** Why there is no new MP3, if converting again has failed or was canceled and the previous MP3 stays. */
  get failedAgain(): Conversion | null {
    const { conversion, previous } = this;
    return previous && (conversion?.state === "failed" || conversion?.state === "canceled") ? conversion : null;
  }
  get state() {
    return this.failedAgain ? "finished" : (this.conversion?.state ?? null);
  }
  /** Of the MP3; null if there is none yet or its duration is unknown. */
  get durationS(): number | null {
    return this.converted?.result?.duration_s ?? null;
  }
  /** Of the MP3, or of the file if there is none yet. */
  get sizeBytes(): number {
    return this.converted?.result?.size_bytes ?? this.size;
  }
  get sent(): number {
    if (this.step === "sent") return this.isUnfetched ? 0 : 1;
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
  /** Seconds until the last byte is sent; null if unknown. */
  get sendingEtaS(): number | null {
    if (!this.speedBps || !this.upload) return null;
    return (this.upload.sizeBytes - this.sentBytes) / this.speedBps;
  }

  /** Shows why a step failed. */
  fail(error: unknown): void {
    const [code, detail] = error instanceof Problem ? [error.code, error.message] : ["unexpected", String(error)];
    this.trouble = { code, detail, retryable: isRetryable(error) };
  }

  /** Takes over what is known of the conversion. */
  learn(conversion: Conversion): void {
    this.conversion = conversion;
    if (conversion.state === "finished") this.forgetPrevious();
  }
  /** Follows another conversion of the same upload. A finished MP3 stays until that has finished, too. */
  follow(conversion: Conversion): void {
    if (this.conversion?.state === "finished") this.previous = this.conversion;
    this.turn += 1;
    [this.progress, this.conversionId] = [null, null];
    this.learn(conversion);
  }
  /** Takes note that the conversion was deleted. Returns false if nothing is left. */
  fallBack(): boolean {
    const { previous } = this;
    if (!previous) return false;
    this.forgetPrevious();
    [this.conversion, this.conversionId, this.progress] = [previous, previous.id, null];
    return true;
  }
  forgetPrevious(): void {
    [this.previous, this.previousId] = [null, null];
  }
  forgetConversion(): void {
    [this.conversion, this.conversionId] = [null, null];
  }
  /** Makes this tab the sender. */
  claim(): void {
    this.sender = TAB;
    this.turn += 1;
  }
  /** Whether the tab that reports this row has not heard yet that this tab has become the sender. */
  isAheadOf(row: Kept): boolean {
    if (row.turn !== this.turn) return row.turn < this.turn;
    // Of two tabs that did so at the same time, the one whose name comes first sends the file.
    if (row.sender !== null) return this.sender === TAB && TAB < row.sender;
    // Of two that converted it again at the same time, the later conversion counts.
    const conversionId = this.conversion?.id ?? this.conversionId;
    return conversionId !== null && row.conversionId !== null && conversionId > row.conversionId;
  }

  kept(): Kept {
    const { id, name, size: sizeBytes, lastModified } = this;
    const conversionId = this.conversion?.id ?? this.conversionId;
    const previousId = this.previous?.id ?? this.previousId;
    return { id, name, sizeBytes, lastModified, ...storedOf(this), conversionId, previousId };
  }
  row(): Row {
    return { ...this.kept(), ...reportedOf(this) };
  }
  /** Takes over what another tab reports or what was stored. */
  take(row: Kept | Row): void {
    assign(this, row);
    this.heardMs = performance.now();
  }
}
