// Reads conversions by their ids.

import { call, Problem } from "../api/client";
import type { Conversion, Page } from "../api/types";

const PAGE_ITEMS = 100;
/** So few are read one by one. */
const FEW = 3;

/** Returns the conversions that were not deleted, by id. Throws a Problem. */
export async function conversionsById(ids: readonly string[]): Promise<Map<string, Conversion>> {
  const found = new Map<string, Conversion>();
  // A request for each would take long: the ids of a queue are mostly those of the latest conversions.
  if (ids.length > FEW) await readPages(ids, found);
  const missing = ids.filter((id) => !found.has(id));
  await Promise.all(missing.map((id) => readOne(id, found)));
  return found;
}

async function readPages(ids: readonly string[], found: Map<string, Conversion>): Promise<void> {
  const wanted = new Set(ids);
  let query = `limit=${PAGE_ITEMS}`;
  for (let pages = Math.ceil(ids.length / PAGE_ITEMS) + 1; pages > 0 && found.size < wanted.size; pages -= 1) {
    const { items, next_cursor: cursor } = await call<Page<Conversion>>("GET", `v1/conversions?${query}`);
    for (const item of items) if (wanted.has(item.id)) found.set(item.id, item);
    if (!cursor) return;
    query = `limit=${PAGE_ITEMS}&cursor=${cursor}`;
  }
}

async function readOne(id: string, found: Map<string, Conversion>): Promise<void> {
  try {
    found.set(id, await call<Conversion>("GET", `v1/conversions/${id}`));
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status !== 404) throw problem;
  }
}
