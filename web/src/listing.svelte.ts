// A list that the API returns page by page.

import { call } from "./api/client";
import type { Page } from "./api/types";

export class Listing<T extends { id: string }> {
  items: T[] = $state([]);
  isKnown = $state(false);
  #cursor: string | null = $state(null);
  #path: () => string;
  /** A response to a request from before the last search comes too late. */
  #searches = 0;

  /** `path` has no cursor; it is evaluated for each page. */
  constructor(path: () => string) {
    this.#path = path;
  }

  get hasMore(): boolean {
    return this.#cursor !== null;
  }

  /** Reloads the first page. Keeps the pages loaded after it if they still follow it. */
  async load(): Promise<void> {
    const searches = this.#searches;
    const page = await call<Page<T>>("GET", this.#path());
    if (searches !== this.#searches) return;
    const last = page.items.at(-1);
    const place = last ? this.items.findIndex(({ id }) => id === last.id) : -1;
    const beyond = page.next_cursor && place >= 0 ? this.items.slice(place + 1) : [];
    if (!beyond.length) this.#cursor = page.next_cursor ?? null;
    this.items = [...page.items, ...beyond];
    this.isKnown = true;
  }

  /** Clears the list, for example before another search. */
  async reload(): Promise<void> {
    this.#searches += 1;
    this.items = [];
    await this.load();
  }

  async more(): Promise<void> {
    if (!this.#cursor) return;
    const searches = this.#searches;
    const path = this.#path();
    const page = await call<Page<T>>("GET", `${path}${path.includes("?") ? "&" : "?"}cursor=${this.#cursor}`);
    if (searches !== this.#searches) return;
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
