// What the scripts of this folder share: finding a Chromium, opening a page in it, ending with a sentence.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

export const EXIT_NOT_SEEN = 1;
export const EXIT_CANNOT_TRY = 2;

/** Ends the program with one sentence on standard error. */
export function stop(script, code, sentence) {
  console.error(`${script}: ${sentence}`);
  process.exit(code);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Where a program of one of these names is on PATH; undefined if nowhere. */
export function onPath(...names) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/** The browser binary: what CHROMIUM names, and nothing else if it is set; else the first on PATH. */
function findChromium() {
  const named = process.env.CHROMIUM;
  if (named) {
    return isExecutable(named) ? named : undefined;
  }
  return onPath("chromium", "chromium-browser", "google-chrome");
}

/**
 * Opens `url` in a headless Chromium within `timeout` seconds, hands the page to `look` and answers with what that
 * returns and the errors that the page reported meanwhile. Ends the program where that can't be done.
 */
export async function inBrowser(script, url, timeout, look) {
  const executablePath = findChromium();
  if (!executablePath) {
    stop(script, EXIT_CANNOT_TRY, "no Chromium was found, so the page was not tried; install chromium or set CHROMIUM to its path.");
  }
  let chromium;
  try {
    ({ chromium } = await import("playwright-core"));
  } catch {
    stop(script, EXIT_CANNOT_TRY, "playwright-core is not installed; run 'npm ci' in tests/browser.");
  }
  let browser = null;
  let failure = null;
  try {
    // Playwright gives each launch a profile folder of its own and removes it.
    browser = await chromium.launch({
      executablePath,
      headless: true,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    });
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const errors = [];
    page.on("pageerror", (error) => errors.push(String(error)));
    page.on("console", (message) => {
      if (message.type() === "error") {
        errors.push(message.text());
      }
    });
    await page.goto(url, { timeout: timeout * 1000 });
    const seen = await look(page);
    return { seen, errors };
  } catch (error) {
    failure = error.message.split("\n", 1)[0];
  } finally {
    await browser?.close();
  }
  return stop(script, EXIT_NOT_SEEN, `the page could not be tried: ${failure}`);
}

/** Runs in the page: the words of these elements as a user sees them; `null` for what is hidden. */
export function wordsOf(ids) {
  return Object.fromEntries(
    ids.map((id) => {
      const found = document.getElementById(id);
      return [id, found?.checkVisibility() ? found.innerText.trim() : null];
    }),
  );
}
