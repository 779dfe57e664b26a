import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Problem } from "../api/client";
import type { PlannedSegment } from "../api/types";
import { NOTHING, SplitPreview, type Preview } from "./split_preview";

type Answer = { resolve: (segments: PlannedSegment[]) => void; reject: (error: unknown) => void };

const SEGMENTS: PlannedSegment[] = [{ track: 1, start_s: 0, duration_s: 5, title: null }];

/** A preview whose service answers when the test says so. */
function previewed() {
  const asked: string[] = [];
  const answers: Answer[] = [];
  let shown: Preview = NOTHING;
  const preview = new SplitPreview(
    (told) => (shown = told),
    (request) => {
      asked.push(request);
      return new Promise((resolve, reject) => answers.push({ resolve, reject }));
    },
  );
  const tick = () => vi.advanceTimersByTimeAsync(0);
  return {
    preview,
    asked,
    shown: () => shown,
    pause: () => vi.advanceTimersByTimeAsync(300),
    answer: (segments: PlannedSegment[]) => (answers.shift()?.resolve(segments), tick()),
    fail: (error: unknown) => (answers.shift()?.reject(error), tick()),
  };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("the preview of a split", () => {
  it("asks once after the last change, and shows the answer", async () => {
    const { preview, asked, shown, pause, answer } = previewed();
    for (const request of ["a", "b", "c"]) preview.want(request);
    await pause();
    expect([asked, shown().isLooking]).toEqual([["c"], true]);
    await answer(SEGMENTS);
    expect(shown()).toEqual({ segments: SEGMENTS, failure: null, isLooking: false });
  });

  it("asks one request at a time, then what is wanted by then", async () => {
    const { preview, asked, shown, pause, answer } = previewed();
    preview.want("a");
    await pause();
    preview.want("b");
    await pause();
    preview.want("c");
    await pause();
    expect(asked).toEqual(["a"]);
    await answer([]);
    expect([asked, shown()]).toEqual([["a", "c"], { ...NOTHING, isLooking: true }]);
    await answer(SEGMENTS);
    expect(shown().segments).toEqual(SEGMENTS);
  });

  it("asks again while a long recording is looked into", async () => {
    const { preview, asked, shown, pause, answer, fail } = previewed();
    preview.want("a");
    await pause();
    await fail(new Problem(503, { code: "still_running" }));
    expect([asked, shown().isLooking]).toEqual([["a", "a"], true]);
    await answer(SEGMENTS);
    expect(shown()).toMatchObject({ segments: SEGMENTS, isLooking: false });
  });

  it("says what failed, and asks again on request", async () => {
    const { preview, asked, shown, pause, answer, fail } = previewed();
    const failure = new Problem(410, { code: "upload_deleted" });
    preview.want("a");
    await pause();
    await fail(failure);
    expect(shown()).toEqual({ segments: null, failure, isLooking: false });
    void preview.look();
    expect(asked).toEqual(["a", "a"]);
    await answer(SEGMENTS);
    expect(shown()).toEqual({ segments: SEGMENTS, failure: null, isLooking: false });
  });

  it("keeps what it knows where nothing can be asked, and forgets it where there is no split", async () => {
    const { preview, asked, shown, pause, answer, fail } = previewed();
    preview.want("a");
    await pause();
    await answer(SEGMENTS);
    preview.want("b");
    await pause();
    preview.stop();
    await fail(new Problem(503, { code: "still_running" }));
    expect(shown()).toEqual({ segments: SEGMENTS, failure: null, isLooking: false });
    preview.want("c");
    preview.clear();
    await pause();
    expect([asked, shown()]).toEqual([["a", "b"], NOTHING]);
  });
});
