import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { compressed } from "./compressed.ts";
import { shell } from "./shell.ts";
import { viewerLicenses } from "./viewer_licenses.ts";

export default defineConfig({
  plugins: [svelte(), viewerLicenses(), shell(), compressed()],
  // Relative URLs, so that the page works behind any path prefix.
  base: "./",
  // The service replaces this with the nonce of each response (src/video2mp3/api/frame/pages.py).
  html: { cspNonce: "{nonce}" },
  build: {
    // The documentation of the API and the page of a shared MP3 are separate entries: the page loads nothing of them.
    rolldownOptions: { input: ["index.html", "docs.html", "share.html"], checks: { pluginTimings: false } },
    outDir: "../src/video2mp3/api/page",
    emptyOutDir: true,
    assetsDir: "page/assets",
    // An inlined file would need `data:` in the Content-Security-Policy.
    assetsInlineLimit: 0,
    license: { fileName: "page/licenses.md" },
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 2000, // Swagger UI comes as one file
    target: ["chrome123", "firefox121", "safari17.5"],
  },
  // `web/npm run dev` shows each change immediately and uses the service of `make run`.
  server: { proxy: { "^/(v1|sign-in|llms.txt|openapi.json)": "http://127.0.0.1:8000" } },
  test: { include: ["src/**/*.test.ts"] },
});
