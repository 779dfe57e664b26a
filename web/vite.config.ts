import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { compressed } from "./compressed.ts";

export default defineConfig({
  plugins: [svelte(), compressed()],
  // Relative URLs, so that the page works behind any path prefix.
  base: "./",
  // The service replaces this with the nonce of each response (src/video2mp3/api/frame/pages.py).
  html: { cspNonce: "{nonce}" },
  build: {
    outDir: "../src/video2mp3/api/page",
    emptyOutDir: true,
    assetsDir: "page/assets",
    // An inlined file would need `data:` in the Content-Security-Policy.
    assetsInlineLimit: 0,
    license: { fileName: "page/licenses.md" },
    modulePreload: { polyfill: false },
    target: ["chrome123", "firefox121", "safari17.5"],
  },
  // `web/npm run dev` shows each change immediately and uses the service of `make run`.
  server: { proxy: { "^/(v1|sign-in|docs|openapi.json)": "http://127.0.0.1:8000" } },
  test: { include: ["src/**/*.test.ts"] },
});
