// A list that the service gives out in pages.

import { call } from "./api/client";
import type { Page } from "./api/types";

export class Listing<T extends { id: string }> {
  items: T[] = $state([]);
  isKnown = $state(false);
  #cursor: string | null = $state(null);
  #path: () => string;

  /** `path` has no cursor; it is asked for anew with each page. */
  constructor(path: () => string) {
    this.#path = path;
  }

  get hasMore(): boolean {
    return this.#cursor !== null;
  }

  /** Asks for the first page anew. What was loaded beyond it stays, if it is in order with that. */
  async load(): Promise<void> {
    const page = await call<Page<T>>("GET", this.#path());
    const last = page.items.at(-1);
    const place = last ? this.items.findIndex(({ id }) => id === last.id) : -1;
    const beyond = page.next_cursor && place >= 0 ? this.items.slice(place + 1) : [];
    if (!beyond.length) this.#cursor = page.next_cursor ?? null;
    this.items = [...page.items, ...beyond];
    this.isKnown = true;
  }

  /** Forgets all, as for another search. */
  async reload(): Promise<void> {
    this.items = [];
    await this.load();
  }

  async more(): Promise<void> {
    if (!this.#cursor) return;
    const path = this.#path();
    const page = await call<Page<T>>("GET", `${path}${path.includes("?") ? "&" : "?"}cursor=${this.#cursor}`);
    this.#cursor = page.next_cursor;
    const known = new Set(this.items.map(({ id }) => id));
    this.items = [...this.items, ...page.items.filter(({ id }) => !known.has(id))];
  }

  replace(item: T): void {
    this.items = this.items.map((each) => (each.id === item.id ? item : each));
  }

  remove(id: string): void {
    this.items = this.items.filter((each) => each.id !== id);
  }
}
