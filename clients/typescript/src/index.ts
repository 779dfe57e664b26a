// The client of video2mp3: the generated calls, and what takes several of them: uploads that resume, and waiting.

import { type Client, createClient } from "./generated/client/index.ts";
import * as calls from "./generated/sdk.gen.ts";
import type { Conversion, ConversionOptions, Problem } from "./generated/types.gen.ts";

export * as calls from "./generated/sdk.gen.ts";
export type * from "./generated/types.gen.ts";

const CHUNK_BYTES = 8 * 1024 * 1024;
const TUS = { "Tus-Resumable": "1.0.0" } as const;
const BEARER = [{ scheme: "bearer" as const, type: "http" as const }];
const ATTEMPTS = 8;
const LONGEST_PAUSE_MS = 30_000;

export interface ClientSettings {
  /** The service's address, such as `http://localhost:8000`; in a page of the service itself, `""`. */
  server: string;
  /** An API key or an access token. A service on this machine, or a browser that is signed in, needs none. */
  token?: string;
}

/** A task ends when the signal is aborted; its promise rejects with the signal's reason. */
export type Task = { signal?: AbortSignal };
export type Wait = Task & { onProgress?(conversion: Conversion): void };

export interface Upload extends Task {
  /** The file's name; a `File` has one. */
  name?: string;
  /** An upload to continue, whose id an earlier call reported to `onStart`. */
  uploadId?: string;
  onStart?(uploadId: string): void;
  onProgress?(sentBytes: number, sizeBytes: number): void;
}

/** An error of the service, or a connection that failed (`code` `no_connection`). */
export class ServiceError extends Error {
  readonly code: string;
  readonly status: number;
  readonly retryable: boolean;
  /** The service's whole answer, if it was one. */
  readonly problem: Partial<Problem>;
  /** How long to wait before the same request is sent again, if the service says so. */
  readonly retryAfterMs: number | undefined;

  constructor(problem: Partial<Problem>, response?: Response) {
    super(problem.detail ?? "The service cannot be reached.");
    this.name = "ServiceError";
    this.problem = problem;
    this.status = response?.status ?? 0;
    this.code = problem.code ?? (response ? "internal_error" : "no_connection");
    this.retryable = problem.retryable ?? (!response || response.status >= 502);
    const seconds = Number(response?.headers.get("Retry-After") ?? NaN);
    this.retryAfterMs = seconds >= 0 ? seconds * 1000 : undefined;
  }
}

export class Video2mp3 {
  /** For the generated calls: `calls.listBatches({ client: service.client })`. */
  readonly client: Client;

  constructor({ server, token }: ClientSettings) {
    this.client = createClient({ baseUrl: server, ...(token && { auth: token }) });
    this.client.interceptors.error.use((error, response, _request, { signal }) => {
      if (signal?.aborted) return signal.reason;
      return new ServiceError(response && error && typeof error === "object" ? error : {}, response);
    });
  }

  /** Uploads a file in chunks, and continues where the service stopped when a request fails. Returns the upload's id. */
  async upload(file: Blob, { name, uploadId, onStart, onProgress, signal }: Upload = {}): Promise<string> {
    const id = uploadId ?? (await this.#startUpload(file, name, signal));
    onStart?.(id);
    const call = { ...this.#call(signal), path: { upload_id: id } };
    const offset = async () => (await calls.readUpload(call)).data.received_bytes;
    let sentBytes = uploadId ? await retried(offset, signal) : 0;
    onProgress?.(sentBytes, file.size);
    while (sentBytes < file.size) {
      sentBytes = await retried(async (isRepeated) => {
        const from = isRepeated ? await offset() : sentBytes;
        const body = file.slice(from, from + CHUNK_BYTES);
        if (body.size) await calls.appendToUpload({ ...call, headers: { ...TUS, "Upload-Offset": from }, body });
        return from + body.size;
      }, signal);
      onProgress?.(sentBytes, file.size);
    }
    return id;
  }

  /** Queues the conversion of an upload. */
  convert(uploadId: string, options: ConversionOptions = {}, { signal }: Task = {}): Promise<Conversion> {
    // With the key, a second request after a lost answer creates no second conversion.
    const headers = { "idempotency-key": crypto.randomUUID() };
    const call = { ...this.#call(signal), headers, body: { upload_id: uploadId, options } };
    return retried(async () => (await calls.createConversion(call)).data, signal);
  }

  /** Waits until a conversion is finished; throws a ServiceError if it fails or is canceled. */
  async wait(conversionId: string, { onProgress, signal }: Wait = {}): Promise<Conversion> {
    const call = { ...this.#call(signal), path: { conversion_id: conversionId } };
    for (let pauseMs = 200; ; pauseMs = Math.min(2000, pauseMs * 1.5)) {
      const conversion = await retried(async () => (await calls.readConversion(call)).data, signal);
      onProgress?.(conversion);
      if (conversion.state === "finished") return conversion;
      if (conversion.error) throw new ServiceError(conversion.error);
      if (conversion.state === "canceled") throw new ServiceError({ code: "canceled", detail: "It was canceled." });
      await pause(pauseMs, signal);
    }
  }

  /** Downloads the MP3 of a finished conversion; the ZIP of several. */
  download(conversionId: string, { signal }: Task = {}): Promise<Blob> {
    const call = { ...this.#call(signal), path: { conversion_id: conversionId }, parseAs: "blob" as const };
    return retried(async () => (await calls.downloadMp3(call)).data, signal);
  }

  async #startUpload(file: Blob, name = file instanceof File ? file.name : "", signal?: AbortSignal): Promise<string> {
    const encoded = btoa(String.fromCharCode(...new TextEncoder().encode(name)));
    const metadata = name && { "Upload-Metadata": `filename ${encoded}` };
    const headers = { ...TUS, "Upload-Length": file.size, ...metadata };
    const call = { ...this.#call(signal), url: "/v1/uploads", headers, security: BEARER };
    const { response } = await retried(() => this.client.post(call), signal);
    // Only the id: behind a proxy, the address may differ from the one that this client uses.
    return response.headers.get("Location")!.split("/").pop()!;
  }

  #call(signal?: AbortSignal) {
    return { client: this.client, throwOnError: true as const, ...(signal && { signal }) };
  }
}

/** Calls until it succeeds, with growing pauses; throws what cannot be retried, and the last of several errors. */
async function retried<T>(call: (isRepeated: boolean) => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await call(attempt > 1);
    } catch (error) {
      if (!(error instanceof ServiceError) || !error.retryable || attempt === ATTEMPTS) throw error;
      await pause(error.retryAfterMs ?? Math.min(LONGEST_PAUSE_MS, 250 * 2 ** attempt), signal);
    }
  }
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason)), { once: true });
  });
}
