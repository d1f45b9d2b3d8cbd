// Opens the live page of a station without a camera, speaks for a camera over its broker, and sees what the page says of
// it: nothing before the first word, the focus with its best, the reason, a lost camera, silence, and the camera again.
//
//     node now_card.mjs URL mqtt://HOST:PORT DEVICE [--screenshots FOLDER] [--timeout SECONDS]
//
// Exit 0: all of it was seen. 1: it was not; the reason is on standard error. 2: bad usage, or no Chromium or no
// mosquitto_pub to try it with. The timeout is for each thing that is to be seen.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { EXIT_CANNOT_TRY, EXIT_NOT_SEEN, inBrowser, onPath, stop as end, wordsOf } from "./browser.mjs";

const SCRIPT = "now_card";
const stop = (code, sentence) => end(SCRIPT, code, sentence);

function arguments_() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { screenshots: { type: "string" }, timeout: { type: "string", default: "30" } },
    });
    const timeout = Number(values.timeout);
    if (positionals.length !== 3 || !(timeout > 0)) {
      throw new Error("it takes a URL, a broker and a device, and a timeout above 0");
    }
    const [url, broker, device] = positionals;
    const { hostname, port } = new URL(broker);
    return { url: new URL(url).href, host: hostname, port: port || "1883", device, folder: values.screenshots, timeout };
  } catch (error) {
    return stop(EXIT_CANNOT_TRY, `bad usage (${error.message}); node now_card.mjs URL mqtt://HOST:PORT DEVICE`);
  }
}

const { url, host, port, device, folder, timeout } = arguments_();
for (const program of ["mosquitto_pub", "mosquitto_sub"]) {
  if (!onPath(program)) {
    stop(EXIT_CANNOT_TRY, `${program} was not found, so the page was not tried; install mosquitto-clients.`);
  }
}

function mosquitto(program, leaf, ...more) {
  const done = spawnSync(
    program,
    ["-V", "mqttv5", "-h", host, "-p", port, "-t", `smearscope/${device}/${leaf}`, ...more],
    { encoding: "utf8", timeout: timeout * 1000 },
  );
  if (done.status !== 0) {
    stop(EXIT_NOT_SEEN, `${program} could not reach ${leaf} at ${host}:${port}: ${done.stderr || done.error}`);
  }
  return done.stdout;
}

// The page believes a lost camera only of this start of the device.
const { boot_id } = JSON.parse(mosquitto("mosquitto_sub", "status", "-C", "1", "-W", String(Math.ceil(timeout))));

const OUT_OF_FOCUS = {
  schema: "smearscope.live/1",
  device,
  boot_id,
  camera: "running",
  focus: 30.5,
  exposure: 0.875,
  verdict: "out_of_focus",
  reason: "Out of focus: turn the fine knob until the figure is highest.",
  is_analysing: true,
};
const LOST = {
  ...OUT_OF_FOCUS,
  camera: "lost",
  focus: null,
  exposure: null,
  verdict: null,
  reason: "The camera is unplugged.",
  is_analysing: false,
};
const OF_A_NEWER_BOARD = { ...OUT_OF_FOCUS, verdict: "upside_down", reason: "The slide lies upside down.", exposure: 0.12 };
const NEW = { ...OUT_OF_FOCUS, focus: 61.25, verdict: "new", reason: "A new field: it is analysed.", is_analysing: false };

const say = (live) =>
  mosquitto("mosquitto_pub", "live", "-m", JSON.stringify({ ...live, at: new Date().toISOString() }));

const IDS = [
  "device-state",
  "alarm",
  "problems",
  "now",
  "now-focus",
  "now-best",
  "now-verdict",
  "now-analysing",
  "now-reason",
  "now-light",
  "now-stale",
];

/** Waits until the page shows what it should, saying `live` again each time since the page forgets within seconds. */
async function until(page, what, live, isSeen) {
  const deadline = Date.now() + timeout * 1000;
  let seen;
  do {
    if (live) {
      say(live);
    }
    await page.waitForTimeout(300);
    seen = await page.evaluate(wordsOf, IDS);
  } while (!isSeen(seen) && Date.now() < deadline);
  if (!isSeen(seen)) {
    throw new Error(`${what} is not shown, but ${JSON.stringify(seen)}`);
  }
  return seen;
}

/** In both colour schemes and on a phone; `live` is said meanwhile, for a picture takes its time. */
async function photograph(page, name, live) {
  if (!folder) {
    return;
  }
  const talking = live && setInterval(() => say(live), 500);
  const phone = { width: 390, height: 844 };
  const desk = { width: 1280, height: 900 };
  for (const [kind, colorScheme, viewport] of [["light", "light", desk], ["dark", "dark", desk], ["phone", "light", phone]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    await page.screenshot({ path: join(folder, `${name}-${kind}.png`), fullPage: true });
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(desk);
  clearInterval(talking);
}

const { seen, errors } = await inBrowser(SCRIPT, url, timeout, async (page) => {
  await until(page, "the device", null, (s) => s["device-state"] === "Device online");
  await until(page, "the absence of a camera", null, (s) => s.now === null && s.alarm === null);

  // Someone turns the knob past the peak.
  for (const focus of [8, 17.5, 33, 52.25, 44]) {
    say({ ...OUT_OF_FOCUS, focus });
  }
  const focused = await until(
    page,
    "the focus",
    OUT_OF_FOCUS,
    (s) =>
      s["now-focus"] === "30.5" &&
      s["now-best"]?.startsWith("Best of the last minute: 52.3") &&
      s["now-verdict"] === "Out of focus" &&
      s["now-analysing"] !== null &&
      s["now-reason"] === OUT_OF_FOCUS.reason &&
      s["now-light"]?.startsWith("fine, 88 %") &&
      s["now-stale"] === null,
  );
  await photograph(page, "out-of-focus", OUT_OF_FOCUS);

  await until(
    page,
    "a reason under a verdict that the page doesn't know",
    OF_A_NEWER_BOARD,
    (s) =>
      s["now-reason"] === OF_A_NEWER_BOARD.reason &&
      s["now-verdict"] === null &&
      s["now-light"]?.startsWith("too dark") &&
      s.problems === null,
  );

  await until(
    page,
    "a lost camera",
    LOST,
    (s) => s.alarm?.includes(LOST.reason) && s["now-verdict"] === "Camera lost" && s["now-focus"] === "–",
  );
  await photograph(page, "lost", LOST);
  await until(
    page,
    "the silence of a lost camera",
    null,
    (s) => s["now-stale"] === "No live picture" && s["now-verdict"] === null && s.alarm?.includes(LOST.reason),
  );

  await until(
    page,
    "the camera that is back",
    NEW,
    (s) => s.alarm === null && s["now-stale"] === null && s["now-verdict"] === "New field" && s["now-focus"] === "61.3",
  );
  await photograph(page, "new", NEW);
  await until(
    page,
    "silence",
    null,
    (s) => s["now-stale"] === "No live picture" && s["now-focus"] === "–" && s["now-verdict"] === null && s.alarm === null,
  );
  await photograph(page, "silent", null);
  return focused;
});
console.log(JSON.stringify({ ...seen, errors }));
if (errors.length > 0) {
  stop(EXIT_NOT_SEEN, `the page reported errors: ${errors.join("; ")}`);
}
