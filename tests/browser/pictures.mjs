// Makes the pictures of the README from a running board: live, slide, second look, fleet, and a phone in French and dark.
//
//     node pictures.mjs URL --broker BROKER [--pictures FOLDER] [--fields N] [--timeout SECONDS]
//
// BROKER is the address of mqtt: or ws: of the broker that the page shows, where this script speaks for a camera and for other
// boards. It counts a new slide of N fields (default 26) of the board that the page's broker.json names. Without --pictures
// they go to docs/pictures. Those of drawn fields get small with little grain: [source.smear] noise = 0.6. Exit codes:
// scenario.mjs.

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join } from "node:path";

import { FakeBoard } from "./fake_board.mjs";
import { FakeCamera } from "./fake_camera.mjs";
import { CONTENT, isOnline, numberIn, pictureOf, show, wordsOf } from "./look.mjs";
import { PHONE, scenario } from "./scenario.mjs";
import { smaller } from "./small_png.mjs";

const FOLDER = fileURLToPath(new URL("../../docs/pictures", import.meta.url));
const MOST_BYTES = 300_000;
/** As wide as the README shows, and as high as what matters is. */
const SHEET = { width: 1280, height: 1000 };

const ID = "2026-0413";
const NOTES = "Giemsa 10 %, 15 min, pH 7.2. Counted from the middle, the left edge is thick.";

const CAMERA_LOST = { camera: "lost", focus: null, exposure: null, verdict: null, reason: "The camera is unplugged." };

/** Other boards of the same broker: their slides, how warm they are, and what else is out of the ordinary with them. */
const BOARDS = [
  { name: "homa-bay-1", id: "HB-2291", cells: 5120, parasitized: 23, celsius: 51 },
  { name: "homa-bay-2", id: "HB-2292", cells: 1740, parasitized: 0, celsius: 84, health: { throttled: ["under_voltage"] } },
  { name: "kisumu-2", id: "2026-0409", cells: 5033, parasitized: 112, celsius: 47 },
  { name: "kisumu-10", id: "2026-0411", cells: 860, parasitized: 31, celsius: 49, live: CAMERA_LOST },
  { name: "migori-1", id: "MG-118", cells: 3305, parasitized: 8, celsius: 55 },
  { name: "siaya-1", id: "SY-407", cells: 5210, parasitized: 640, celsius: 46 },
  { name: "siaya-2", id: "SY-409", cells: 2480, parasitized: 19, celsius: 53, health: { disk_free_mb: 120 } },
];
const LOST = "migori-1";
const STOPPED = "siaya-1";

/** A hand at the fine focus: the figure comes and goes. */
function seen(base) {
  const turned = Math.sin(Date.now() / 9000) ** 2;
  const focus = 22 + 40 * turned + Math.random();
  const isSharp = focus > 35;
  return {
    ...base,
    focus,
    exposure: 0.86 + 0.03 * Math.sin(Date.now() / 6000),
    verdict: isSharp ? "new" : "out_of_focus",
    reason: isSharp ? "A new field: it is analysed." : base.reason,
    is_analysing: isSharp,
  };
}

async function countSlide(run, page, fields) {
  await show(run, page, "slide");
  await page.getByLabel("Name of the slide (optional)").fill(ID);
  await page.getByRole("button", { name: "Start a slide" }).click();
  const title = page.locator("#result-title");
  await run.until(`slide ${ID}`, async () => {
    const confirm = page.getByRole("dialog").getByRole("button", { name: "Start a slide" });
    if (await confirm.isVisible()) {
      await confirm.click();
    }
    return (await title.innerText()) === `Slide ${ID}`;
  });
  await page.getByLabel("Notes on this slide").fill(NOTES);
  await page.getByRole("button", { name: "Save the notes" }).click();
  const counted = () => page.locator(".details-card dd").nth(1).innerText();
  await run.until(`${fields} fields`, counted, (said) => numberIn(said) >= fields);
}

async function photographLive(run, page) {
  await show(run, page, "live");
  const suspects = page.locator(".chips li:visible");
  await run.until("a field with several suspicious cells, seen sharply", async () => {
    const { boxes, colours } = await pictureOf(page);
    const { pair, "now-verdict": verdict } = await wordsOf(page, ["pair", "now-verdict"]);
    return boxes > 0 && colours >= CONTENT && (await suspects.count()) >= 3 && /^Picture and boxes: field \d+\.$/.test(pair) && verdict === "New field";
  });
  await picture(run, page, "live");
}

async function photographReview(run, page) {
  await show(run, page, "review");
  const here = page.locator('.cell-stage[data-picture="here"]');
  await run.until("a cell", () => here.isVisible());
  for (const key of ["p", "p", "u", "p", "p"]) {
    await page.keyboard.press(key);
    await run.until("the next cell", () => here.isVisible());
  }
  await page.keyboard.press("m");
  await run.until("five decisions", () => page.locator("#review-progress").innerText(), (words) => numberIn(words) === 5);
  await picture(run, page, "review");
}

async function joinFleet(run, broker, version) {
  const boards = new Map();
  run.atEnd(async () => {
    await Promise.allSettled([...boards.values()].map((board) => board.stop()));
    await FakeBoard.retire(broker, [...boards.keys()]);
  });
  for (const { name, id, cells, parasitized, celsius, health = {}, live = {} } of BOARDS) {
    const changes = { status: { version }, health: { temperature_c: celsius, ...health }, model: {}, slide: {}, live };
    const board = await FakeBoard.connect(broker, name, { cells: 0, live: true, changes });
    boards.set(name, board);
    Object.assign(board.slide, { id, cells, parasitized });
    await board.sayAll();
  }
  await boards.get(LOST).crash();
  await boards.get(STOPPED).stop();
}

async function photographFleet(run, page, broker) {
  await show(run, page, "device");
  const program = page.locator("dt", { hasText: /^Program$/ }).locator("+ dd");
  const version = await run.until("the board's program", () => program.innerText());
  await show(run, page, "fleet");
  await joinFleet(run, broker, version);
  await run.until("all boards", () => page.locator(".fleet-table tbody tr").count(), (rows) => rows >= BOARDS.length + 1);
  await run.until("the board that was lost", () => page.locator(".fleet-away", { hasText: LOST }).isVisible());
  await run.until("the camera that was lost", () => page.getByText("Camera lost").isVisible());
  await picture(run, page, "fleet");
}

async function photographPhone(run, page) {
  await page.setViewportSize(PHONE);
  await page.emulateMedia({ colorScheme: "dark" });
  // A mouse would stay over the button.
  await page.locator(".switches button").first().press("Enter");
  await show(run, page, "live");
  await run.until("a field in French", () => wordsOf(page, ["pair"]), ({ pair }) => /^Image et contours/.test(pair));
  await picture(run, page, "phone");
}

const sizes = {};

/** What the window shows, in its own pixels. */
async function picture(run, page, name) {
  const file = smaller(await page.screenshot({ clip: { x: 0, y: 0, ...page.viewportSize() }, scale: "css" }));
  run.expect(file.length < MOST_BYTES, `${name}.png has ${file.length} bytes, more than ${MOST_BYTES}`);
  writeFileSync(join(run.args.pictures, `${name}.png`), file);
  sizes[name] = file.length;
}

const options = {
  broker: { type: "string" },
  fields: { type: "string", default: "26" },
  pictures: { type: "string", default: FOLDER },
  timeout: { type: "string", default: "240" },
};
await scenario({ name: "pictures", usage: "URL --broker BROKER", options, needs: ["broker"] }, async (run) => {
  const { url, broker, fields } = run.args;
  mkdirSync(run.args.pictures, { recursive: true });
  const page = await run.open(url, { viewport: SHEET });
  await run.until("the device", () => isOnline(page));
  const { "device-name": device } = await wordsOf(page, ["device-name"]);
  const camera = await FakeCamera.connect(run, broker, device);
  const base = await camera.firstWord(run, device);
  camera.say(() => seen(base));

  await countSlide(run, page, Number(fields));
  await photographLive(run, page);
  await photographReview(run, page);
  await show(run, page, "slide");
  await run.until("the reviewed figure", () => page.locator("#reviewed").isVisible());
  await picture(run, page, "slide");
  await photographFleet(run, page, broker);
  await photographPhone(run, page);
  return { device, sizes };
});
