import { defineConfig } from "vite";

// Addresses are relative, so that the console works under any prefix that a proxy puts in front.
export default defineConfig({
  base: "./",
  build: {
    target: "es2022",
    // `.keep` stays: cargo watches the folder. compress.mjs takes away what is old.
    emptyOutDir: false,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  test: { include: ["src/**/*.test.ts"] },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
} as never);
