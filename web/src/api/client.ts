// The service's API, as seen from its own page: addresses relative to it, signed in by the browser's cookie.

import type { ProblemBody } from "./types";

/** An error that the service has told, or that kept it from being reached (code `no_connection`). */
export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  readonly retryable: boolean;
  readonly requestId: string | undefined;
  /** What is wrong with which field, where it is one. */
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

/** Returns the address of a path of the API, such as `v1/me`; absolute, for what does not take others. */
export function address(path: string): string {
  return new URL(path.replace(/^\//, ""), document.baseURI.split("#")[0]).href;
}

export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE";

export interface Extras {
  headers?: Record<string, string>;
  signal?: AbortSignal;
  /** Sent as it is, not as JSON. */
  raw?: BodyInit;
}

/**
 * Calls the API and returns the answer's JSON; null where it has none.
 *
 * Throws a Problem for every answer that is an error, and where there is no answer.
 */
export async function call<T>(method: Method, path: string, body?: unknown, extras: Extras = {}): Promise<T> {
  const response = await send(method, path, body, extras);
  const isJson = response.headers.get("Content-Type")?.includes("json") ?? false;
  return (isJson ? await response.json() : null) as T;
}

/** The same, for who needs the answer's headers. */
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
    throw new Problem(0, {});
  }
  if (!response.ok) throw new Problem(response.status, await problemBody(response));
  return response;
}

async function problemBody(response: Response): Promise<Partial<ProblemBody>> {
  try {
    return (await response.json()) as Partial<ProblemBody>;
  } catch {
    // A proxy on the way has answered in its own words.
    return {};
  }
}
