// Who is signed in: the same account in all tabs of this browser.

import { call, Problem } from "./api/client";
import type { Me } from "./api/types";
import { clear, leave } from "./queue/account";
import { onTabMessage, postToTabs } from "./tabs/channel";

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
    await become(isAtOwnMachine ? null : found);
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status !== 401) throw problem;
    await become(null);
  }
}

async function become(found: Me | null): Promise<void> {
  const isNews = !isKnown || me?.id !== found?.id;
  // The queue stays where a session has ended by itself: its user signs in again.
  if (found) await leave(found.id);
  me = found;
  isKnown = true;
  if (isNews) postToTabs(me?.id ?? null, { kind: "session" });
}

// Another tab has signed in or out. The service knows whether that is still so.
onTabMessage((message, userId) => {
  if (message.kind !== "session" || !isKnown || userId === (me?.id ?? null)) return;
  refreshSession().catch(() => {}); // unreachable: the next call says so
});

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
  await become(null);
}

/** Call this when the API answers any call with "not signed in". */
export function sessionEnded(): void {
  void become(null);
}
