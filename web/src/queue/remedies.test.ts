import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Problem } from "../api/client";
import { DELETING_HELPS, isRetryable, OPTIONS_HELP, RETRY_DIFFERS, UPLOAD_HELPS } from "./remedies";

/** The service's errors: whether the same request can succeed later, by code. A test compares the table with errors.py. */
const table = readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8");
const errors = new Map(
  [...table.matchAll(/^\| `(\w+)` \| \d+ \| (yes|no) \|/gm)].map(([, code, again]) => [code, again]),
);

describe("the remedies", () => {
  it.each([...OPTIONS_HELP, ...UPLOAD_HELPS, ...DELETING_HELPS])("are for an error of the service: %s", (code) => {
    expect([...errors.keys()]).toContain(code);
  });

  it.each(RETRY_DIFFERS)("name only what needs it: %s", (code) => {
    expect(errors.get(code)).toBe("no");
  });
});

describe("another try", () => {
  it("is offered where the service says so, and otherwise only where it is another request", () => {
    expect(errors.size).toBeGreaterThan(50);
    const offered = [...errors].filter(([code, again]) =>
      isRetryable(new Problem(422, { code: code ?? "", retryable: again === "yes" })),
    );
    const refused = offered.filter(([, again]) => again === "no").map(([code]) => code);
    expect(refused.toSorted()).toEqual(RETRY_DIFFERS.toSorted());
  });

  it("is offered where no answer came, or none of the service", () => {
    expect(isRetryable(new Problem(0, {}))).toBe(true);
    expect(isRetryable(new Problem(502, { code: "bad_answer" }))).toBe(true);
    expect(isRetryable(new TypeError("unexpected"))).toBe(true);
  });
});
