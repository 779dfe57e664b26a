import { describe, expect, it } from "vitest";
import { bytes, clock, exactClock, inDays, parseClock, percent, roughly, until } from "./format";

describe("format", () => {
  it("writes sizes in powers of ten, with a digit where it matters", () => {
    expect([0, 999, 1000, 1_440_000, 999_600_000, 250e9].map((size) => bytes(size, "en"))).toEqual([
      "0 bytes",
      "999 bytes",
      "1 kB",
      "1.4 MB",
      "1 GB",
      "250 GB",
    ]);
    expect(bytes(1_440_000, "de")).toBe("1,4 MB");
  });

  it("never calls 99.9 percent all", () => {
    expect(percent(99.9, "en")).toBe("99%");
  });

  it("writes and reads places in a recording", () => {
    expect([5, 65, 3723].map(clock)).toEqual(["0:05", "1:05", "1:02:03"]);
    expect([3723.5, 0.25, 60].map(exactClock)).toEqual(["1:02:03.5", "0:00.25", "1:00"]);
    for (const seconds of [0, 1.5, 61.125, 3723.5]) expect(parseClock(exactClock(seconds))).toBe(seconds);
    expect(parseClock("90")).toBe(90);
    expect(parseClock(" 1:30,5 ")).toBe(90.5);
    expect(["1m30s", "90 s", "1h 2m", "2 min", "1:2:3", "90:00"].map(parseClock)).toEqual([
      90, 90, 3720, 120, 3723, 5400,
    ]);
    for (const wrong of ["", "a", "1:", "-3", "1:2:3:4", "1:60", "1:60:00", "1:007", "h", "5 m 3", "٣", "1e3", "NaN"])
      expect(parseClock(wrong)).toBeUndefined();
  });

  it("rounds a span to days, or to hours where that says more", () => {
    expect([1, 3600, 86_400, 7 * 86_400].map((seconds) => inDays(seconds, "en"))).toEqual([
      "1 hour",
      "1 hour",
      "24 hours",
      "7 days",
    ]);
  });

  it("says how long roughly", () => {
    expect([0.2, 59.5, 61, 7200].map((seconds) => roughly(seconds, "en"))).toEqual([
      "1 sec",
      "60 sec",
      "1 min",
      "2 hr",
    ]);
    expect(until("2026-01-08T00:00:00Z", Date.parse("2026-01-02T00:00:00Z"), "en")).toBe("in 6 days");
  });
});
