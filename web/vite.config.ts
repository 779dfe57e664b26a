import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vitest/config";
import { compressed } from "./compressed.ts";

export default defineConfig({
  plugins: [svelte(), compressed()],
  // Addresses relative to the page, so that it works behind any prefix.
  base: "./",
  // The service puts the response's own nonce in its place (src/video2mp3/api/frame/pages.py).
  html: { cspNonce: "{nonce}" },
  build: {
    outDir: "../src/video2mp3/api/page",
    emptyOutDir: true,
    assetsDir: "page/assets",
    // A file within another would need `data:` in the Content-Security-Policy.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: ["chrome123", "firefox121", "safari17.5"],
  },
  // `web/npm run dev` shows each change at once, with the service of `make run` behind it.
  server: { proxy: { "^/(v1|sign-in|docs|openapi.json)": "http://127.0.0.1:8000" } },
  test: { include: ["src/**/*.test.ts"] },
});
