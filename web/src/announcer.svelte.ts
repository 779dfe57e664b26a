// Announcements for screen readers, and the last error.

let spoken = $state("");
let trouble = $state("");

export const announcements = {
  get spoken(): string {
    return spoken;
  },
  /** Shown until the user dismisses it. */
  get trouble(): string {
    return trouble;
  },
};

/** Announces a text to screen readers. Not for values that change many times a second. */
export function announce(text: string): void {
  // Otherwise the same text would be announced only once.
  spoken = spoken === text ? `${text}\u00a0` : text;
}

export function showTrouble(text: string): void {
  trouble = text;
}

export function dismissTrouble(): void {
  trouble = "";
}
