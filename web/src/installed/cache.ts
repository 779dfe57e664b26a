import { address } from "../api/client";

/** Returns the name of the cache where the service worker puts what other apps share. */
export function receivedCache(): string {
  return `video2mp3-received ${new URL(address("")).pathname}`;
}
