// Opens the live view in a headless Chromium and waits until it shows a field with boxed cells, its counts and the slide's
// figure; points at cells, enlarges the picture, sees the next field come; pauses the board and opens a second page, which
// must show at once what the first one knows.
//
//     node first_view.mjs URL [--timeout SECONDS] [--pictures FOLDER]
//
// Of a board that takes fields by itself. Exit codes: scenario.mjs.

import { CONTENT, isOnline, numberIn, pictureOf, show, wordsOf } from "./look.mjs";
import { scenario } from "./scenario.mjs";

const IDS = {
  link: "link-state",
  device: "device-state",
  alarm: "alarm",
  problems: "problems",
  now: "now",
  pair: "pair",
  seq: "seq",
  counts: "counts",
  parasitemia: "percent",
  interval: "interval",
  slide: "slide-state",
};

async function whatIsSeen(page) {
  const words = await wordsOf(page, Object.values(IDS));
  const named = Object.entries(IDS).map(([name, id]) => [name, words[id]]);
  return { title: await page.title(), ...Object.fromEntries(named), ...(await pictureOf(page)) };
}

const isWhole = ({ boxes, colours, counts, parasitemia, slide, link, device, alarm, problems }) =>
  boxes >= 1 &&
  colours >= CONTENT &&
  /\d/.test(counts ?? "") &&
  /\d/.test(parasitemia ?? "") &&
  /\d/.test(slide ?? "") &&
  link === "Connected to the broker" &&
  device === "Device online" &&
  alarm === null &&
  problems === null;

/** What is told of the cell that is pointed at. */
const tip = async (page) => {
  const found = page.locator(".tip");
  return (await found.count()) > 0 ? found.innerText() : null;
};

const SUSPECT = /^parasitized · p [01]\.\d\d/;
const ANY = /^(parasitized|uninfected) · p [01]\.\d\d/;

/** By the keyboard on the list of suspects, and by the mouse somewhere on a cell. */
async function pointAtCells(run, page) {
  const suspect = page.locator(".chips button:visible").first();
  // The next field may come before the picture is held, and have none.
  await run.until("a suspicious cell", async () => {
    await page.getByRole("button", { name: "Hold the picture" }).click();
    if (await suspect.isVisible()) {
      return true;
    }
    await page.getByRole("button", { name: "Go on live" }).click();
    return false;
  });
  await suspect.focus();
  const byKeyboard = await run.until("what is told of a suspicious cell", () => tip(page), (words) => SUSPECT.test(words));

  await suspect.blur();
  await run.until("that nothing is told any more", () => tip(page), (words) => words === null);
  const { x, y, width, height } = await page.locator(".overlay").boundingBox();
  // Some of these points lie on a cell.
  const points = Array.from({ length: 60 }, (_, i) => [x + (width * (0.5 + (i % 10))) / 10, y + (height * (0.5 + Math.floor(i / 10))) / 6]);
  let n = 0;
  const byMouse = await run.until(
    "what is told of a cell under the mouse",
    async () => {
      await page.mouse.move(...points[n++ % points.length]);
      await page.evaluate(() => new Promise(requestAnimationFrame));
      return tip(page);
    },
    (words) => ANY.test(words),
  );
  await run.picture(page, "live-pointed");
  await page.getByRole("button", { name: "Go on live" }).click();
  return { byKeyboard, byMouse };
}

async function zoom(run, page) {
  const shows = (figure) => run.until(`a zoom of ${figure}`, () => page.locator(".zoom").innerText(), (said) => said === figure);
  await page.getByRole("group", { name: "Picture of the field" }).focus();
  for (const [key, figure] of [["+", "1.5×"], ["+", "2.3×"], ["-", "1.5×"], ["0", "1.0×"]]) {
    await page.keyboard.press(key);
    await shows(figure);
  }
  for (const [button, figure] of [["Zoom in", "1.5×"], ["Zoom in", "2.3×"], ["Zoom out", "1.5×"], ["Whole field", "1.0×"]]) {
    await page.getByRole("button", { name: button }).click();
    await shows(figure);
  }
}

/** Presses a button of the device's view and waits until the board has done it. */
async function tell(run, page, button, answer) {
  await show(run, page, "device");
  await page.getByRole("button", { name: button }).click();
  await run.until(`the answer "${answer}"`, () => page.getByText(answer).isVisible());
}

/** Nothing is told meanwhile, so that all that it shows was kept for it or asked for. */
async function joinLate(run, page, url) {
  await tell(run, page, "Pause the camera", "Paused: it takes no more fields.");
  await show(run, page, "live");
  // One field was under way.
  await run.until("the end of the fields", () => wordsOf(page, ["age"]), ({ age }) => /^([3-9]|\d\d) s ago/.test(age));
  const begin = Date.now();
  const late = await run.open(url);
  const known = await run.until(
    "what the broker keeps on a page that joins late",
    () => whatIsSeen(late),
    ({ device, parasitemia, slide }) => device === "Device online" && /\d/.test(parasitemia ?? "") && /\d/.test(slide ?? ""),
  );
  const knownAfter = (Date.now() - begin) / 1000;
  await run.until("the last picture on a page that joins late", () => pictureOf(late), ({ colours }) => colours >= CONTENT);
  const pictureAfter = (Date.now() - begin) / 1000;
  run.expect(run.commandsOf(late).includes("image.get"), "the page that joined late did not ask for the last picture");
  await run.picture(late, "live-joined-late");
  await run.until("the same figure on both pages", async () => {
    const [here, there] = [await whatIsSeen(page), await whatIsSeen(late)];
    return here.parasitemia === there.parasitemia && here.slide === there.slide;
  });
  await tell(run, page, "Resume the camera", "It takes fields again.");
  await run.until("a field on the page that joined late", () => whatIsSeen(late), isWhole);
  await late.close();
  return { parasitemia: known.parasitemia, known_after: knownAfter, picture_after: pictureAfter };
}

await scenario({ name: "first_view", usage: "URL" }, async (run) => {
  const { url } = run.args;
  const begin = Date.now();
  const page = await run.open(url);
  await run.until("the device", () => isOnline(page));
  const seen = await run.until("the live view with all that it should show", () => whatIsSeen(page), isWhole);
  const after = (Date.now() - begin) / 1000;
  await run.picture(page, "live");

  const told = await pointAtCells(run, page);
  await zoom(run, page);
  const grown = await run.until(
    "the next field",
    () => whatIsSeen(page),
    (now) => isWhole(now) && numberIn(now.seq) > numberIn(seen.seq) && now.field_id !== seen.field_id,
  );
  const late = await joinLate(run, page, url);
  return { ...seen, after, told, next_seq: numberIn(grown.seq), late };
});
