import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { Plugin, Rolldown } from "vite";

const SOURCE = new URL("src/installed/service-worker.js", import.meta.url);

/** Writes the service worker, with the list of the files that the page of index.html can load. */
export function shell(): Plugin {
  return {
    name: "shell",
    apply: "build",
    enforce: "post",
    async generateBundle(_options, bundle) {
      const files = filesOf(bundle);
      const source = await readFile(SOURCE, "utf-8");
      const version = createHash("sha256").update(JSON.stringify(files)).update(source).digest("hex").slice(0, 12);
      const list = `const SHELL = ${JSON.stringify({ version, files })};\n`;
      this.emitFile({ type: "asset", fileName: "page/service-worker.js", source: list + source });
    },
  };
}

/** Returns the scripts and styles of the page, its first script first. */
function filesOf(bundle: Rolldown.OutputBundle): string[] {
  const chunks = Object.values(bundle).filter((output) => output.type === "chunk");
  const entry = chunks.find((chunk) => chunk.isEntry && chunk.facadeModuleId?.endsWith("/index.html"));
  if (!entry) throw new Error("there is no chunk of index.html");
  const found = new Set<string>();
  const waiting = [entry.fileName];
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    const chunk = chunks.find(({ fileName }) => fileName === name);
    if (!chunk) continue;
    waiting.push(...chunk.imports, ...chunk.dynamicImports, ...(chunk.viteMetadata?.importedCss ?? []));
  }
  return [...found];
}
