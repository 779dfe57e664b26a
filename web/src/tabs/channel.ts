// The tabs of this browser report to each other who is signed in, which files they send and what became of them.

import type { Conversion, Progress } from "../api/types";
import type { Row } from "../queue/fields";

/** This tab, until it is loaded again. */
export const TAB = Array.from(crypto.getRandomValues(new Uint32Array(2)), (part) => part.toString(36)).join("");

/** What one tab learns from the service about a conversion. */
export type News =
  | { kind: "progress"; progress: Progress }
  | { kind: "conversion"; conversion: Conversion }
  /** It was deleted (404), or the user may not read it any more. */
  | { kind: "gone"; id: string; status: number; code: string };

export type Message =
  | News
  | { kind: "session" }
  /** The user has signed out. */
  | { kind: "cleared" }
  /** A new tab asks for all rows that are not stored. */
  | { kind: "hello" }
  | { kind: "row"; row: Row; conversion: Conversion | null; previous: Conversion | null }
  | { kind: "removed"; id: string }
  /** Asks the tab that sends the file. */
  | { kind: "cancel"; id: string };

interface Envelope {
  /** The tab that sends the message. */
  from: string;
  /** The account that the sender of the message is signed in to; null if it is not. */
  userId: string | null;
  message: Message;
}

// Services behind path prefixes of one host are strangers to each other.
const channel = new BroadcastChannel(`video2mp3 ${globalThis.location?.pathname ?? ""}`);

export function postToTabs(userId: string | null, message: Message): void {
  channel.postMessage({ from: TAB, userId, message } satisfies Envelope);
}

/** Calls `handle` for each message of another tab. */
export function onTabMessage(handle: (message: Message, userId: string | null, from: string) => void): void {
  channel.addEventListener("message", ({ data }: MessageEvent<Envelope>) =>
    handle(data.message, data.userId, data.from),
  );
}
