// The service's API for its own page: URLs are relative, and the browser's cookie signs the user in.

import { checkConnection } from "../connection.svelte";
import type { ProblemBody } from "./types";

/** An error from the service, or a connection failure (code `no_connection`). */
export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  readonly retryable: boolean;
  readonly requestId: string | undefined;
  /** The invalid fields and their errors, if any. */
  readonly fields: { field: string; message: string }[];

  constructor(status: number, body: Partial<ProblemBody>) {
    super(body.detail ?? "");
    this.code = body.code ?? (status === 0 ? "no_connection" : "internal_error");
    this.status = status;
    this.retryable = body.retryable ?? (status === 0 || status >= 500);
    this.requestId = body.request_id;
    this.fields = body.errors ?? [];
  }
}

/** Returns the absolute URL of an API path such as `v1/me`. */
export function address(path: string): string {
  return new URL(path.replace(/^\//, ""), document.baseURI.split("#")[0]).href;
}

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface Extras {
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Sent unchanged, not as JSON. */
  raw?: BodyInit;
}

/**
 * Calls the API and returns the response's JSON; null if it has none.
 *
 * Throws a Problem for every error response and for connection failures.
 */
export async function call<T>(method: Method, path: string, body?: unknown, extras: Extras = {}): Promise<T> {
  const response = await send(method, path, body, extras);
  const isJson = response.headers.get("Content-Type")?.includes("json") ?? false;
  return (isJson ? await response.json() : null) as T;
}

/** The same, for callers that need the response's headers. */
export async function send(method: Method, path: string, body?: unknown, extras: Extras = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", ...extras.headers };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const init: RequestInit = { method, headers, credentials: "same-origin" };
  const content = body === undefined ? extras.raw : JSON.stringify(body);
  if (content !== undefined) init.body = content;
  if (extras.signal) init.signal = extras.signal;
  let response: Response;
  try {
    response = await fetch(address(path), init);
  } catch (error) {
    if (extras.signal?.aborted) throw error;
    void checkConnection();
    throw new Problem(0, {});
  }
  if (!response.ok) throw new Problem(response.status, await problemBody(response));
  return response;
}

async function problemBody(response: Response): Promise<Partial<ProblemBody>> {
  try {
    return (await response.json()) as Partial<ProblemBody>;
  } catch {
    // A proxy answered instead of the service.
    return {};
  }
}
