// Opens the live view of a station without a camera, speaks for a camera over its broker, and sees what the page says of
// it: nothing before the first word, the focus with its best, the reason, a lost camera, silence, and the camera again.
//
//     node now_card.mjs URL BROKER DEVICE [--timeout SECONDS] [--pictures FOLDER]
//
// BROKER is an address of mqtt: or ws:. Exit codes: scenario.mjs.

import { FakeCamera } from "./fake_camera.mjs";
import { wordsOf } from "./look.mjs";
import { DESK, PHONE, scenario } from "./scenario.mjs";

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

function messagesFrom(outOfFocus) {
  return {
    outOfFocus,
    lost: {
      ...outOfFocus,
      camera: "lost",
      focus: null,
      exposure: null,
      verdict: null,
      reason: "The camera is unplugged.",
      is_analysing: false,
    },
    ofNewerBoard: { ...outOfFocus, verdict: "upside_down", reason: "The slide lies upside down.", exposure: 0.12 },
    isNew: { ...outOfFocus, focus: 61.25, verdict: "new", reason: "A new field: it is analysed.", is_analysing: false },
  };
}

/** In both colour schemes and on a phone. */
async function photograph(run, page, name) {
  for (const [kind, colorScheme, viewport] of [["light", "light", DESK], ["dark", "dark", DESK], ["phone", "light", PHONE]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    await run.picture(page, `now-${name}-${kind}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize(DESK);
}

await scenario({ name: "now_card", usage: "URL BROKER DEVICE", places: ["url", "broker", "device"] }, async (run) => {
  const { url, broker, device } = run.args;
  const camera = await FakeCamera.connect(run, broker, device);
  const { outOfFocus, lost, ofNewerBoard, isNew } = messagesFrom(await camera.firstWord(run, device));
  const page = await run.open(url);
  const until = (what, live, isSeen) => {
    camera.say(() => live);
    return run.until(what, () => wordsOf(page, IDS), isSeen);
  };

  await until("the device", null, (s) => s["device-state"] === "Device online");
  await until("the absence of a camera", null, (s) => s.now === null && s.alarm === null);

  // Someone turns the knob past the peak.
  for (const focus of [8, 17.5, 33, 52.25, 44]) {
    await camera.once({ ...outOfFocus, focus });
  }
  const focused = await until(
    "the focus",
    outOfFocus,
    (s) =>
      s["now-focus"] === "30.5" &&
      s["now-best"]?.startsWith("Best of the last minute: 52.3") &&
      s["now-verdict"] === "Out of focus" &&
      s["now-analysing"] !== null &&
      s["now-reason"] === outOfFocus.reason &&
      s["now-light"]?.startsWith("fine, 88 %") &&
      s["now-stale"] === null,
  );
  await photograph(run, page, "out-of-focus");

  await until(
    "a reason under a verdict that the page doesn't know",
    ofNewerBoard,
    (s) =>
      s["now-reason"] === ofNewerBoard.reason &&
      s["now-verdict"] === null &&
      s["now-light"]?.startsWith("too dark") &&
      s.problems === null,
  );

  await until(
    "a lost camera",
    lost,
    (s) => s.alarm?.includes(lost.reason) && s["now-verdict"] === "Camera lost" && s["now-focus"] === "–",
  );
  await photograph(run, page, "lost");
  await until(
    "the silence of a lost camera",
    null,
    (s) => s["now-stale"] === "No live picture" && s["now-verdict"] === null && s.alarm?.includes(lost.reason),
  );

  await until(
    "the camera that is back",
    isNew,
    (s) => s.alarm === null && s["now-stale"] === null && s["now-verdict"] === "New field" && s["now-focus"] === "61.3",
  );
  await photograph(run, page, "new");
  await until(
    "silence",
    null,
    (s) => s["now-stale"] === "No live picture" && s["now-focus"] === "–" && s["now-verdict"] === null && s.alarm === null,
  );
  await photograph(run, page, "silent");
  return focused;
});
