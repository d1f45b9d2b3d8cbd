// Opens the live page in a headless Chromium, waits until it shows a field with boxed cells, its
// counts and the slide's figure, and prints what it saw as one line of JSON.
//
//     node live_page.mjs URL [--screenshot FILE] [--timeout SECONDS]
//
// Exit 0: all of it was seen. 1: it was not; the reason is on standard error. 2: bad usage, or no
// Chromium to try it with. CHROMIUM names another browser binary than the usual ones.

import { parseArgs } from "node:util";

import { EXIT_CANNOT_TRY, EXIT_NOT_SEEN, inBrowser, stop as end } from "./browser.mjs";

const SCRIPT = "live_page";
const stop = (code, sentence) => end(SCRIPT, code, sentence);

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
    now: text("now"),
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
const { seen, errors } = await inBrowser(SCRIPT, url, timeout, async (page) => {
  const deadline = Date.now() + timeout * 1000;
  let now = await page.evaluate(whatIsSeen);
  while (missing(now).length > 0 && Date.now() < deadline) {
    await page.waitForTimeout(200);
    now = await page.evaluate(whatIsSeen);
  }
  if (screenshot) {
    await page.screenshot({ path: screenshot, fullPage: true });
  }
  return now;
});
console.log(JSON.stringify({ ...seen, errors }));
if (missing(seen).length > 0) {
  stop(EXIT_NOT_SEEN, `after ${timeout} s the page does not show ${missing(seen).join(", ")}.`);
}
if (errors.length > 0) {
  stop(EXIT_NOT_SEEN, `the page reported errors: ${errors.join("; ")}`);
}
