// Who is signed in.

import { call, Problem } from "./api/client";
import type { Me } from "./api/types";
import { clear } from "./queue/queue.svelte";

let me = $state<Me | null>(null);
let isKnown = $state(false);
let isAtOwnMachine = $state(false);

export const session = {
  /** The account that this browser is signed in to; null where it is not. */
  get me(): Me | null {
    return me;
  },
  /** Whether the service has been asked yet. */
  get isKnown(): boolean {
    return isKnown;
  },
  /** Whether the service runs on this machine: then the link that it prints signs the user in. */
  get isAtOwnMachine(): boolean {
    return isAtOwnMachine;
  },
};

/** Asks the service who is signed in. Throws a Problem if the service is unreachable. */
export async function refreshSession(): Promise<void> {
  try {
    const found = await call<Me>("GET", "v1/me");
    // Local programs need no sign-in, but browsers do: any site can make a browser send requests.
    isAtOwnMachine = found.signed_in_by === "loopback";
    me = isAtOwnMachine ? null : found;
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status !== 401) throw problem;
    me = null;
  }
  isKnown = true;
}

export async function signIn(username: string, password: string): Promise<void> {
  await call("POST", "v1/sessions?cookie=true", { username, password });
  await refreshSession();
}

export async function signOut(): Promise<void> {
  await clear();
  try {
    await call("DELETE", "v1/sessions");
  } catch (problem) {
    // The session has already ended, which is the goal.
    if (!(problem instanceof Problem) || problem.status !== 401) throw problem;
  }
  me = null;
}

/** Call this when the API answers any call with "not signed in". */
export function sessionEnded(): void {
  me = null;
}

/** Returns whether the service sends emails; it writes "no" into the page where it has no mail server. */
export function sendsEmail(): boolean {
  return document.querySelector<HTMLMetaElement>('meta[name="video2mp3-email"]')?.content !== "no";
}

/** Returns the least number of characters of a new password; the service writes it into the page. */
export function passwordLength(): number {
  return Number(document.querySelector<HTMLMetaElement>('meta[name="video2mp3-password-length"]')?.content);
}
