import { cp, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createServer } from "vite";
import { describe, expect, it } from "vitest";
import en from "./en.json";
import { bestLanguage, LANGUAGES } from "./texts";

const FILES = import.meta.glob<Record<string, string>>("./*.json", { eager: true, import: "default" });
const TEXTS = Object.entries(FILES).map(([path, texts]) => [path.slice(2, -".json".length), texts] as const);
const ENGLISH: Record<string, string> = en;

const values = (text: string) => [...text.matchAll(/\{\w+\}/g)].map(([found]) => found).sort();
/** The key without its plural form, if it has one: which forms there are differs between languages. */
const stem = (key: string) => {
  const found = key.replace(/\.(zero|one|two|few|many|other)$/, "");
  return `${found}.one` in ENGLISH ? found : key;
};

describe("texts", () => {
  it("are in four languages, at least", () => {
    expect(LANGUAGES).toEqual(expect.arrayContaining(["de", "en", "es", "fr"]));
  });

  it.each(TEXTS)("have the same keys in the same order, in %s too", (_, texts) => {
    const stems = (each: Record<string, string>) => [...new Set(Object.keys(each).map(stem))];
    expect(stems(texts)).toEqual(stems(en));
  });

  it.each(TEXTS)("have the plural forms of their language, in %s too", (code, texts) => {
    // "many" is for millions in the Romance languages, and falls back to "other".
    const forms = ["one", "other", ...new Intl.PluralRules(code).resolvedOptions().pluralCategories];
    const needed = new Set(forms.filter((form) => form !== "many" || !/^(es|fr|it|pt)$/.test(code)));
    for (const key of Object.keys(texts).filter((each) => stem(each) !== each)) {
      expect(forms, key).toContain(key.slice(stem(key).length + 1));
      for (const form of needed) expect(texts).toHaveProperty([`${stem(key)}.${form}`]);
    }
  });

  it.each(TEXTS)("have the same {values}, and none is empty, in %s too", (_, texts) => {
    for (const [key, text] of Object.entries(texts)) {
      expect(text, key).not.toBe("");
      expect(values(text), key).toEqual(values(ENGLISH[key] ?? ENGLISH[`${stem(key)}.other`] ?? ""));
    }
  });

  it("follow the typography of French and Spanish", () => {
    for (const [key, text] of Object.entries(FILES["./fr.json"] ?? {})) {
      expect(text, key).not.toMatch(/[^\u202f][;!?](?![\w/])|[^\u00a0]:(?![\d/])|«[^\u00a0]|[^\u00a0]»|'/);
    }
    for (const [key, text] of Object.entries(FILES["./es.json"] ?? {})) {
      const count = (mark: string) => text.split(mark).length;
      expect([count("¿"), count("¡")], key).toEqual([count("?"), count("!")]);
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

  it("is added by adding its file", async () => {
    const root = await mkdtemp(join(import.meta.dirname, "..", "..", "node_modules", ".fifth-language-"));
    try {
      for (const file of await readdir(import.meta.dirname))
        await cp(join(import.meta.dirname, file), join(root, file));
      const italian = { ...en, "app.language": "Lingua" };
      await writeFile(join(root, "it.json"), JSON.stringify(italian));
      const configFile = join(import.meta.dirname, "..", "..", "vite.config.ts");
      const server = await createServer({
        root,
        configFile,
        logLevel: "silent",
        server: { middlewareMode: true, watch: null, ws: false },
        optimizeDeps: { noDiscovery: true },
      });
      globalThis.document ??= { documentElement: {} } as Document;
      const texts = (await server.ssrLoadModule("/texts.ts")) as typeof import("./texts");
      await texts.loadTexts(["it-IT"]);
      expect(texts.LANGUAGES).toContain("it");
      expect(texts.t("app.language")).toBe("Lingua");
      await server.close();
    } finally {
      await rm(root, { recursive: true });
    }
  }, 60_000);
});
