import { describe, expect, it } from "vitest";
import de from "./de.json";
import en from "./en.json";
import { bestLanguage, LANGUAGES } from "./texts";

const FILES = import.meta.glob<Record<string, string>>("./*.json", { eager: true, import: "default" });

describe("texts", () => {
  it("are in English and German, at least", () => {
    expect(LANGUAGES).toEqual(expect.arrayContaining(["en", "de"]));
  });

  it("have the same keys in every language, in the same order", () => {
    for (const [path, texts] of Object.entries(FILES)) expect(Object.keys(texts), path).toEqual(Object.keys(en));
    expect(Object.keys(de).length).toBeGreaterThan(10);
  });

  it("have the same {values} in every language, and none is empty", () => {
    const values = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([found]) => found).sort();
    for (const [path, texts] of Object.entries(FILES)) {
      for (const [key, text] of Object.entries(en)) {
        expect(texts[key], `${path}: ${key}`).not.toBe("");
        expect(values(texts[key] ?? ""), `${path}: ${key}`).toEqual(values(text));
      }
    }
  });
});

describe("the language", () => {
  it("is the first wanted one that there is, whatever its region", () => {
    expect(bestLanguage(["", "fr-FR", "de-AT", "en"], ["en", "de"])).toBe("de");
  });

  it("is English where none is known", () => {
    expect(bestLanguage(["fr"], ["en", "de"])).toBe("en");
  });
});
