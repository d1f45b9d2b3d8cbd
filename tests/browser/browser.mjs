// A Chromium of this machine, and what its pages report.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** It can't be tried here, which says nothing about the page. */
export class CannotTry extends Error {}

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The browser binary: what CHROMIUM names, and nothing else if it is set; else the first on PATH. */
function findChromium() {
  const named = process.env.CHROMIUM;
  if (named) {
    return isExecutable(named) ? named : undefined;
  }
  const folders = (process.env.PATH ?? "").split(delimiter);
  const names = ["chromium", "chromium-browser", "google-chrome"];
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/** A headless Chromium. Playwright gives each one a profile folder of its own and removes it. */
export async function launch() {
  const executablePath = findChromium();
  if (!executablePath) {
    throw new CannotTry("no Chromium was found, so the page was not tried; install chromium or set CHROMIUM to its path");
  }
  let chromium;
  try {
    ({ chromium } = await import("playwright-core"));
  } catch {
    throw new CannotTry("playwright-core is not installed; run 'npm ci' in tests/browser");
  }
  return chromium.launch({ executablePath, headless: true, args: FLAGS });
}

/** Calls `report` with each error that a page of `context` throws or writes to its console. */
export function watchErrors(context, report) {
  context.on("weberror", (error) => report(String(error.error())));
  context.on("console", (message) => {
    if (message.type() === "error") {
      const { url } = message.location();
      report(url ? `${message.text()} (${url})` : message.text());
    }
  });
}
