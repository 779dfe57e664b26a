import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Plugin } from "vite";

/** Ships the licenses of what Swagger UI's own bundle contains, which Vite cannot see. */
export function viewerLicenses(): Plugin {
  return {
    name: "viewer-licenses",
    apply: "build",
    async generateBundle() {
      const file = createRequire(import.meta.url).resolve("swagger-ui-dist/swagger-ui-bundle.js.LICENSE.txt");
      this.emitFile({ type: "asset", fileName: "page/swagger-ui-licenses.txt", source: await readFile(file) });
    },
  };
}
