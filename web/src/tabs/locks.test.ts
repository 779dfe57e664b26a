import { afterEach, describe, expect, it, vi } from "vitest";
import { holdByAsking } from "./locks";

const ends: AbortController[] = [];
afterEach(() => ends.splice(0).forEach((end) => end.abort()));

/** A tab that wants the lock; `has` becomes true when it gets it. */
function wanting(tab: string, name = "events") {
  const end = new AbortController();
  ends.push(end);
  const standing = { has: false, leave: () => end.abort() };
  holdByAsking(name, tab, end.signal, () => (standing.has = true));
  return standing;
}

describe("a lock without Web Locks", () => {
  it("is given to one of the tabs that ask at the same time", async () => {
    const tabs = ["c", "a", "b"].map((tab) => wanting(tab));
    await vi.waitFor(() => expect(tabs.map(({ has }) => has)).toEqual([false, true, false]), 3000);
  });

  it("goes to one of the others when its tab is closed", async () => {
    const first = wanting("z");
    await vi.waitFor(() => expect(first.has).toBe(true), 3000);
    const others = [wanting("a"), wanting("b")];
    await new Promise((resolve) => setTimeout(resolve, 500)); // longer than a holder takes to answer
    expect(others.map(({ has }) => has)).toEqual([false, false]);
    first.leave();
    await vi.waitFor(() => expect(others.filter(({ has }) => has)).toHaveLength(1), 3000);
  });

  it("has a name, and a tab's own name is its own at once", async () => {
    const own = wanting("a", "a");
    expect(own.has).toBe(true);
    const [successor, other] = [wanting("b", "a"), wanting("b", "events")];
    await vi.waitFor(() => expect(other.has).toBe(true), 3000);
    expect(successor.has).toBe(false);
  });
});
