import { fileURLToPath } from "node:url";

import { defineConfig } from "vite";

// The page shows what a broker sends it, so it may load nothing but its own files and may talk
// only to its own server and to brokers. Left out while developing: Vite's reload needs more.
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self' ws: wss:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

// mqtt.js is made for Node; see src/mqtt.ts. The packages of the second part are those that it
// depends on for browsers; a name without a slash would be taken for Node's own module.
const mqttParts = [
  { find: /^debug$/, replacement: here("src/shims/debug.cjs") },
  { find: /^worker-timers$/, replacement: here("src/shims/worker-timers.cjs") },
  { find: /^process-nextick-args$/, replacement: here("src/shims/next-tick.cjs") },
  { find: /^\.\.\/\.\.\/package\.json$/, replacement: here("src/shims/version.cjs") },
  { find: /^ws$/, replacement: here("src/shims/ws.cjs") },
  { find: /^buffer$/, replacement: "buffer/" },
  { find: /^events$/, replacement: "events/" },
];

export default defineConfig({
  resolve: { alias: mqttParts },
  // Free names of Node in the library, for which it has other ways where they are missing.
  define: { process: "undefined" },
  // Relative, so that the page works below any path of any web server.
  base: "./",
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    license: { fileName: "assets/licenses.md" },
    rolldownOptions: {
      // Another free name of Node, which one of the library's packages has.
      transform: { inject: { Buffer: ["buffer/", "Buffer"] } },
      output: {
        // The daemon embeds these files by name and a check compares them with their source,
        // so the names don't carry a hash.
        entryFileNames: "assets/app.js",
        chunkFileNames: "assets/[name].js",
        assetFileNames: "assets/[name][extname]",
      },
    },
  },
  plugins: [
    {
      name: "content-security-policy",
      apply: "build",
      transformIndexHtml: () => [
        {
          tag: "meta",
          attrs: { "http-equiv": "Content-Security-Policy", content: policy },
          injectTo: "head-prepend",
        },
      ],
    },
  ],
});
