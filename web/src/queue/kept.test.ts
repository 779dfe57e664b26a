import { afterEach, describe, expect, it, vi } from "vitest";
import { keepList, keptList } from "./kept";

afterEach(() => vi.unstubAllGlobals());

describe("the stored list", () => {
  it("stays as it was where the browser's storage is full, and nothing else stops", () => {
    const stored = '[{"id":"1","name":"Talk.mp4","sizeBytes":10}]';
    const full = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
    vi.stubGlobal("localStorage", { setItem: full, getItem: () => stored });
    expect(() => keepList("ada", [])).not.toThrow();
    expect(keptList("ada")).toMatchObject([{ name: "Talk.mp4" }]);
  });

  it("is empty where something else is stored", () => {
    for (const stored of ["no JSON", "{}", '[{"id":1},null]', null]) {
      vi.stubGlobal("localStorage", { getItem: () => stored });
      expect(keptList("ada")).toEqual([]);
    }
  });
});
