import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const SOURCE = import.meta.dirname;
/** The style of the documentation of the API goes around Swagger UI's own. */
const OWN = ["tokens.css", join("docs", "docs.css")];
/** What the tokens are for. Widths and columns depend on their content. */
const GOVERNED =
  /^(border-radius|box-shadow|font-size|(row-|column-)?gap|(padding|margin)(-.+)?|transition|animation)$/;
const COLOUR = /#[0-9a-f]{3,8}\b|\b(rgba?|hsla?|oklch|lab|white|black)\b/i;
/** A hairline is a pixel in any design. */
const SIZE = /(?<![\w-])(?!-?1px)-?[\d.]+(px|r?em|m?s)\b/;

function stylesIn(file: string): string {
  const text = readFileSync(join(SOURCE, file), "utf8");
  return (file.endsWith(".css") ? text : (/<style>(.*)<\/style>/s.exec(text)?.[1] ?? "")).replace(/\/\*.*?\*\//gs, "");
}

const files = (readdirSync(SOURCE, { recursive: true }) as string[]).filter(
  (file) => /\.(css|svelte)$/.test(file) && !OWN.includes(file),
);

describe("styles", () => {
  it.each(files)("take colours, spaces and sizes of type from the tokens in %s", (file) => {
    const raw = [...stylesIn(file).matchAll(/([\w-]+):\s*([^;{}]+);/g)].filter(
      ([, property = "", value = ""]) => COLOUR.test(value) || (GOVERNED.test(property) && SIZE.test(value)),
    );
    expect(raw.map(([declaration]) => declaration)).toEqual([]);
  });

  it("do not move where the user wants that", () => {
    expect(stylesIn("base.css")).toMatch(
      /reduced-motion: reduce\) \{[^}]*animation: none !important;\s*transition: none !important/,
    );
  });
});
