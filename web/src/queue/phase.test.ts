import { describe, expect, it } from "vitest";
import { isBusy, moved, percentOf, phaseOf, Speedometer, summarize, type Standing } from "./phase";

const standing = (changes: Partial<Standing>): Standing => ({
  step: "next",
  state: null,
  trouble: null,
  sent: 0,
  percent: 0,
  ...changes,
});

describe("the phase of a file", () => {
  it("is the page's own step until the last byte is sent, then the conversion's state", () => {
    expect(phaseOf(standing({ step: "uploading", state: "waiting" }))).toBe("uploading");
    expect(phaseOf(standing({ step: "uploading", state: "processing" }))).toBe("uploading");
    expect(phaseOf(standing({ step: "sent", state: "waiting" }))).toBe("queued");
    expect(phaseOf(standing({ step: "sent", state: "processing" }))).toBe("processing");
    expect(phaseOf(standing({ step: "sent" }))).toBe("ready");
  });

  it("is the conversion's end, whatever the page was doing", () => {
    expect(phaseOf(standing({ step: "uploading", state: "canceled" }))).toBe("canceled");
    expect(phaseOf(standing({ step: "uploading", state: "failed", trouble: { code: "no_connection" } }))).toBe(
      "failed",
    );
  });

  it("is refused where something went wrong before", () => {
    expect(phaseOf(standing({ step: "uploading", trouble: { code: "no_connection" } }))).toBe("refused");
  });

  it("is canceled, not refused, where the user has canceled before there was a conversion", () => {
    expect(phaseOf(standing({ step: "uploading", trouble: { code: "canceled" } }))).toBe("canceled");
  });
});

describe("the summary", () => {
  it("weighs files by their size", () => {
    const small = { ...standing({ step: "sent", state: "finished" }), size: 100 };
    const large = { ...standing({ step: "uploading", sent: 0.5 }), size: 900 };
    const summary = summarize([small, large]);
    expect(summary).toMatchObject({ total: 2, ended: 1, finished: 1, busy: 1 });
    expect(summary.percent).toBeCloseTo(0.1 * 100 + 0.9 * 35);
    expect(summarize([]).percent).toBe(0);
  });

  it("counts what has failed or was canceled neither as done nor as to be done", () => {
    const ended = [
      { ...standing({ step: "sent", state: "failed" }), size: 5000 },
      { ...standing({ step: "sent", state: "canceled" }), size: 5000 },
      { ...standing({ trouble: { code: "empty_file" } }), size: 0 },
      { ...standing({ trouble: { code: "canceled" } }), size: 5000 },
    ];
    const under = { ...standing({ step: "uploading", sent: 0.5 }), size: 500 };
    const finished = { ...standing({ step: "sent", state: "finished" }), size: 500 };
    expect(summarize([...ended, under]).percent).toBeCloseTo(35);
    expect(summarize([...ended, under, finished]).percent).toBeCloseTo((35 + 100) / 2);
    expect(summarize([...ended, finished])).toMatchObject({ ended: 5, failed: 2, canceled: 2, percent: 100 });
  });

  it("counts neither what waits for the reader as busy, nor what was paused", () => {
    for (const step of ["paused", "lost", "sent"] as const) expect(isBusy(standing({ step }))).toBe(false);
    expect(isBusy(standing({ step: "next" }))).toBe(true);
  });

  it("never goes back when the upload ends and the conversion begins", () => {
    const sent = percentOf(standing({ step: "uploading", sent: 1, state: "waiting" }));
    expect(percentOf(standing({ step: "sent", sent: 1, state: "queued" }))).toBe(sent);
    expect(percentOf(standing({ step: "sent", sent: 1, state: "processing", percent: 1 }))).toBeGreaterThan(sent);
  });
});

describe("the order", () => {
  it("changes by places, and ends at the ends", () => {
    expect(moved(["a", "b", "c"], "c", -1)).toEqual(["a", "c", "b"]);
    expect(moved(["a", "b", "c"], "a", -1)).toEqual(["a", "b", "c"]);
    expect(moved(["a", "b", "c"], "a", 9)).toEqual(["b", "c", "a"]);
  });
});

describe("the speed", () => {
  it("is that of the last seconds", () => {
    const speed = new Speedometer(2000);
    expect(speed.add(0, 0)).toBeNull();
    expect(speed.add(1000, 1000)).toBe(1000);
    expect(speed.add(1000, 2000)).toBe(500);
    expect(speed.add(1000, 3500)).toBe(0);
  });
});
