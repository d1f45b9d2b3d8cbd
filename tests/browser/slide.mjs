// Counts a slide from the slide's view: a name that is none is refused before it is sent; a slide is started, grows, gets
// notes, is closed after a question; the board's own report of it is found and says the same; it prints on one page.
//
//     node slide.mjs URL --id NAME [--fields N] [--timeout SECONDS] [--pictures FOLDER]
//
// Of a board that takes fields by itself and keeps reports. The slide is closed when it has N fields (default 3). Says what
// the page showed of the closed slide. Exit codes: scenario.mjs.

import { isOnline, numberIn, show } from "./look.mjs";
import { scenario } from "./scenario.mjs";

const NOTES = "Stain: Giemsa 10 %, pH 7.2.\nThick at the left edge: <b>counted</b> from the middle.";
const BAD_IDS = ["ward 3/17", ".hidden", "lame-é"];

/** What the view shows of the slide. */
const slideOf = (page) =>
  page.evaluate(() => {
    const words = (selector) => document.querySelector(selector)?.innerText.trim() ?? null;
    const facts = [...document.querySelectorAll(".details-card dd")].map((value) => value.innerText);
    return {
      title: words("#result-title"),
      when: words(".result-card .head .quiet"),
      percent: words("#percent"),
      state: words("#slide-state"),
      counts: facts[0] ?? null,
      fields: facts[1] ?? null,
      strip: document.querySelectorAll(".strip li").length,
      thumbnails: document.querySelectorAll(".strip canvas.thumbnail").length,
      course: document.querySelectorAll(".course-card tbody tr").length,
      line: document.querySelector(".course-line")?.getAttribute("d") ?? null,
      notes: words(".notes-text") ?? document.getElementById("notes")?.value ?? null,
    };
  });

/** `12 of 345 red cells` as figures. */
function figuresOf({ counts, fields, percent }) {
  const [parasitized, cells] = (counts ?? "").split(" of ").map(numberIn);
  return { cells, parasitized, fields: numberIn(fields), percent: numberIn(percent) };
}

async function refuseBadIds(run, page) {
  const field = page.getByLabel("Name of the slide (optional)");
  for (const id of BAD_IDS) {
    await field.fill(id);
    await field.press("Enter");
    await run.until(`why ${id} is no name`, () => page.locator("#slide-id-wrong").isVisible());
    await field.fill("");
    await run.until("that the reason is gone", async () => !(await page.locator("#slide-id-wrong").isVisible()));
  }
  run.expect(!run.commandsOf(page).includes("slide.start"), "a slide was started with a name that is none");
}

/** Starts a slide; where one with cells is open, the page asks first. */
async function start(run, page, id) {
  const field = page.getByLabel("Name of the slide (optional)");
  await field.fill(id);
  await field.press("Enter");
  const look = async () => {
    const confirm = page.getByRole("dialog").getByRole("button", { name: "Start a slide" });
    if (await confirm.isVisible()) {
      await run.picture(page, "slide-start-asked");
      await confirm.click();
    }
    const { title, when } = await slideOf(page);
    return { title, when, told: await page.locator(".start-form + .told").innerText() };
  };
  await run.until(
    `slide ${id}, open`,
    look,
    ({ title, when }) => title === `Slide ${id}` && when.startsWith("Open since"),
  );
}

async function write(run, page, notes) {
  await page.getByLabel("Notes on this slide").fill(notes);
  const state = page.locator("#notes-state");
  await run.until("that the notes are not saved yet", () => state.innerText(), (words) => words === "Not saved");
  await page.getByRole("button", { name: "Save the notes" }).click();
  await run.until("that the notes are saved", () => state.innerText(), (words) => words === "Saved");
}

async function close(run, page, id) {
  const ask = async () => {
    await page.getByRole("button", { name: "Close the slide" }).click();
    return page.getByRole("dialog", { name: `Close slide ${id}?` });
  };
  // Who thinks better of it has lost nothing.
  const first = await ask();
  await first.getByRole("button", { name: "Cancel" }).click();
  await run.until("the end of the question", async () => !(await first.isVisible()));
  run.expect(!run.commandsOf(page).includes("slide.stop"), "the slide was closed although that was cancelled");

  const second = await ask();
  await run.picture(page, "slide-stop-asked");
  await second.getByRole("button", { name: "Close the slide" }).click();
  return run.until("that the slide is closed", () => slideOf(page), ({ when }) => when?.startsWith("Closed on"));
}

async function print(run, page) {
  await page.evaluate(() => {
    window.print = () => document.documentElement.setAttribute("data-printed", "");
  });
  await page.getByRole("button", { name: "Print" }).click();
  run.expect(await page.evaluate(() => "printed" in document.documentElement.dataset), "the button does not print");
  const pdf = (await page.pdf({ preferCSSPageSize: true, printBackground: false })).toString("latin1");
  const pages = pdf.match(/\/Type\s*\/Page\b(?!s)/g)?.length;
  const [, width, height] = /\/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]/.exec(pdf) ?? [];
  const isA4 = Math.abs(width - 595) < 2 && Math.abs(height - 842) < 2;
  run.expect(pages === 1 && isA4, `it prints on ${pages} pages of ${width} × ${height} points, not on one A4`);
}

async function readReport(run, page, id) {
  const link = page.getByRole("link", { name: "The board's report" });
  await run.until("the link to the board's report", () => link.isVisible());
  run.expect((await link.getAttribute("href")) === `slides/${id}.html`, "the report is of another slide");
  await link.click();
  await run.until(
    "the id and the notes in the board's report",
    () => page.locator("body").innerText(),
    (words) => words.includes(`Slide ${id}`) && NOTES.split("\n").every((line) => words.includes(line)),
  );
  await run.picture(page, "slide-report");
  await page.goBack();
}

const options = { id: { type: "string" }, fields: { type: "string", default: "3" } };
await scenario({ name: "slide", usage: "URL --id NAME [--fields N]", options, needs: ["id"] }, async (run) => {
  const { url, id, fields } = run.args;
  const page = await run.open(`${url}#/slide`);
  await run.until("the device", () => isOnline(page));
  await refuseBadIds(run, page);
  await start(run, page, id);
  await write(run, page, NOTES);

  const before = await run.until("the first fields of the slide", () => slideOf(page), ({ strip, course }) => strip >= 2 && course >= 2);
  const grown = await run.until(
    `${fields} fields, a longer course and pictures of the last fields`,
    () => slideOf(page),
    (now) =>
      figuresOf(now).fields >= Math.max(Number(fields), figuresOf(before).fields + 1) &&
      figuresOf(now).cells > figuresOf(before).cells &&
      now.strip > before.strip &&
      now.course > before.course &&
      now.line !== before.line &&
      now.thumbnails > 0,
  );
  run.expect(grown.notes === NOTES, "the notes are lost while fields come");
  await run.picture(page, "slide-open");

  const closed = await close(run, page, id);
  run.expect(closed.notes === NOTES, "the notes of the closed slide are not those that were saved");
  await run.picture(page, "slide-closed");
  await print(run, page);
  await readReport(run, page, id);
  await run.until("the slide after its report", () => slideOf(page), ({ title }) => title === `Slide ${id}`);
  await show(run, page, "live");
  return { id, ...figuresOf(closed), state: closed.state, notes: closed.notes, strip: closed.strip };
});
