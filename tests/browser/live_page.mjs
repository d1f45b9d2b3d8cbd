// Opens the live page in a headless Chromium, waits until it shows a field with boxed cells, its
// counts and the slide's figure, and prints what it saw as one line of JSON.
//
//     node live_page.mjs URL [--screenshot FILE] [--timeout SECONDS]
//
// Exit 0: all of it was seen. 1: it was not; the reason is on standard error. 2: bad usage, or no
// Chromium to try it with. CHROMIUM names another browser binary than the usual ones.

import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import { parseArgs } from "node:util";

const EXIT_NOT_SEEN = 1;
const EXIT_CANNOT_TRY = 2;

function stop(code, sentence) {
  console.error(`live_page: ${sentence}`);
  process.exit(code);
}

function arguments_() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { screenshot: { type: "string" }, timeout: { type: "string", default: "30" } },
    });
    const timeout = Number(values.timeout);
    if (positionals.length !== 1 || !(timeout > 0)) {
      throw new Error("it takes one URL, and a timeout above 0");
    }
    return { url: new URL(positionals[0]).href, screenshot: values.screenshot, timeout };
  } catch (error) {
    return stop(
      EXIT_CANNOT_TRY,
      `bad usage (${error.message}); node live_page.mjs URL [--screenshot FILE] [--timeout SECONDS]`,
    );
  }
}

function executable(path) {
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
    return executable(named) ? named : undefined;
  }
  const folders = (process.env.PATH ?? "").split(delimiter);
  return ["chromium", "chromium-browser", "google-chrome"]
    .flatMap((name) => folders.map((folder) => join(folder, name)))
    .find(executable);
}

async function loadPlaywright() {
  try {
    return (await import("playwright-core")).chromium;
  } catch {
    return stop(EXIT_CANNOT_TRY, "playwright-core is not installed; run 'npm ci' in tests/browser.");
  }
}

/** Runs in the page. The words are read as a user sees them: what is hidden is not there. */
function whatIsSeen() {
  const text = (id) => {
    const found = document.getElementById(id);
    return found?.checkVisibility() ? found.innerText.trim() : null;
  };
  const canvas = document.getElementById("picture");
  let colours = 0;
  if (canvas?.checkVisibility() && canvas.width > 0 && canvas.height > 0) {
    // A blank or broken picture has one colour; every 997th pixel is sample enough.
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const seen = new Set();
    for (let i = 0; i + 2 < data.length; i += 4 * 997) {
      seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
    }
    colours = seen.size;
  }
  return {
    title: document.title,
    link: text("link-state"),
    device: text("device-state"),
    alarm: text("alarm"),
    problems: text("problems"),
    field_id: canvas?.dataset.fieldId ?? null,
    boxes: Number(canvas?.dataset.boxes ?? 0),
    colours,
    pair: text("pair"),
    seq: text("seq"),
    counts: text("counts"),
    parasitemia: text("percent"),
    interval: text("interval"),
    slide: text("slide-state"),
  };
}

/** What is still missing, in words; empty when the page shows all that it should. */
function missing(seen) {
  return [
    [seen.boxes >= 1, "a boxed cell"],
    [seen.colours >= 16, "a picture with content"],
    [/\d/.test(seen.counts ?? ""), "the field's counts"],
    [/\d/.test(seen.parasitemia ?? ""), "the slide's parasitemia"],
    [/\d/.test(seen.slide ?? ""), "the slide's state"],
  ]
    .filter(([there]) => !there)
    .map(([, name]) => name);
}

const { url, screenshot, timeout } = arguments_();
const executablePath = findChromium();
if (!executablePath) {
  stop(EXIT_CANNOT_TRY, "no Chromium was found, so the page was not tried; install chromium or set CHROMIUM to its path.");
}
const chromium = await loadPlaywright();

let failure = null;
let browser = null;
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
  const deadline = Date.now() + timeout * 1000;
  await page.goto(url, { timeout: timeout * 1000 });
  let seen = await page.evaluate(whatIsSeen);
  while (missing(seen).length > 0 && Date.now() < deadline) {
    await page.waitForTimeout(200);
    seen = await page.evaluate(whatIsSeen);
  }
  if (screenshot) {
    await page.screenshot({ path: screenshot, fullPage: true });
  }
  console.log(JSON.stringify({ ...seen, errors }));
  if (missing(seen).length > 0) {
    failure = `after ${timeout} s the page does not show ${missing(seen).join(", ")}.`;
  } else if (errors.length > 0) {
    failure = `the page reported errors: ${errors.join("; ")}`;
  }
} catch (error) {
  failure = `the page could not be tried: ${error.message.split("\n", 1)[0]}`;
} finally {
  await browser?.close();
}
if (failure) {
  stop(EXIT_NOT_SEEN, failure);
}
