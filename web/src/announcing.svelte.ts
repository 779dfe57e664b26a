// What screen readers are told, and what went wrong last.

let spoken = $state("");
let trouble = $state("");

export const announcements = {
  get spoken(): string {
    return spoken;
  },
  /** Shown to everybody until it is put away. */
  get trouble(): string {
    return trouble;
  },
};

/** Lets screen readers say it when they have a pause. Not for what changes many times a second. */
export function announce(text: string): void {
  // Else the same sentence twice would be said once.
  spoken = spoken === text ? `${text}\u00a0` : text;
}

export function showTrouble(text: string): void {
  trouble = text;
}

export function dismissTrouble(): void {
  trouble = "";
}
