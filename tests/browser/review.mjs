// Looks at kept cells by the keyboard alone: reaches the view, opens and closes its help, shows the outline, hides the
// machine's opinion, decides on three cells with a skip and an undo between; sees the reviewed figure; loads the page anew and
// finds the decisions again.
//
//     node review.mjs URL [--timeout SECONDS] [--pictures FOLDER]
//
// Of a board that has kept at least four cells that nobody has decided on. Says which cells were decided, and how. Exit codes:
// scenario.mjs.

import { isOnline, numberIn } from "./look.mjs";
import { scenario } from "./scenario.mjs";

const MOST_TABS = 60;

const deskOf = (page) =>
  page.evaluate(() => {
    const words = (selector) => document.querySelector(selector)?.innerText.trim() ?? null;
    const button = (name) =>
      [...document.querySelectorAll(".cell-controls button")].find((found) => found.innerText.startsWith(name))?.ariaPressed;
    const stage = document.querySelector(".cell-stage");
    const facts = [...document.querySelectorAll('[aria-labelledby="cell-title"] dd')].map((value) => value.innerText);
    const [machine, reviewed] = [...document.querySelectorAll(".cell-figure")].map((figure) => figure.innerText);
    return {
      cell: stage?.dataset.cell ?? null,
      picture: stage?.dataset.picture ?? null,
      opinion: facts[0] ?? null,
      decision: facts[1] ?? null,
      verdict: document.querySelector(".cell-strip [aria-current]")?.dataset.verdict ?? null,
      outline: button("Outline"),
      hidden: button("Hide"),
      progress: words("#review-progress"),
      complete: words("#review-complete"),
      machine: machine ?? null,
      reviewed: reviewed ?? null,
      unsent: document.querySelector(".cell-unsent")?.checkVisibility() ?? false,
      focused: document.activeElement?.tagName ?? null,
    };
  });

/** Tab by tab, until what has the keyboard fits. */
async function tabTo(run, page, what, fits) {
  for (let n = 0; n < MOST_TABS; n += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate(fits)) {
      return;
    }
  }
  run.expect(false, `${what} can't be reached by the keyboard`);
}

async function openView(run, page) {
  await tabTo(run, page, "the review", () => document.activeElement.getAttribute("href") === "#/review");
  await page.keyboard.press("Enter");
  return run.until("a cell with its picture", () => deskOf(page), ({ picture }) => picture === "here");
}

/** What the letters do that decide nothing. */
async function lookAround(run, page) {
  const { keyboard } = page;
  await keyboard.press("?");
  const help = page.getByRole("dialog", { name: "Keys" });
  await run.until("the help", () => help.isVisible());
  await run.picture(page, "review-help");
  await keyboard.press("p");
  await keyboard.press("Escape");
  await run.until("the end of the help", async () => !(await help.isVisible()));
  await keyboard.press("m");
  await run.until("the outline", () => deskOf(page), ({ outline }) => outline === "true");
  await run.picture(page, "review-outline");
  await keyboard.press("h");
  await run.until("that the machine's opinion is hidden", () => deskOf(page), ({ opinion }) => opinion === "hidden");
  await keyboard.press("m");
  await keyboard.press("h");
  await run.until(
    "the cell as it was",
    () => deskOf(page),
    ({ outline, hidden, opinion, decision }) =>
      outline === "false" && hidden === "false" && /^(para|unin)/.test(opinion) && decision === "none yet",
  );
}

/** Presses a letter and waits for the next cell; gives the one that was looked at. */
async function press(run, page, letter) {
  const { cell } = await deskOf(page);
  await page.keyboard.press(letter);
  await run.until(`another cell after ${letter}`, () => deskOf(page), (now) => now.cell !== cell && now.picture === "here");
  return cell;
}

async function decide(run, page) {
  const first = await press(run, page, "p");
  const second = await press(run, page, "u");
  await press(run, page, "s");
  const third = await press(run, page, "p");
  await page.keyboard.press("z");
  await run.until(
    "the cell whose decision was undone",
    () => deskOf(page),
    ({ cell, decision }) => cell === third && (decision === "none yet" || decision.startsWith("withdrawn")),
  );
  await press(run, page, "u");
  return [
    { id: first, verdict: "parasitized" },
    { id: second, verdict: "uninfected" },
    { id: third, verdict: "uninfected" },
  ];
}

/** Chooses the decided cells in the filter and walks through them. */
async function decidedCells(run, page) {
  await run.until("a cell with its picture after a reload", () => deskOf(page), ({ picture }) => picture === "here");
  await tabTo(run, page, "the filter of decisions", () =>
    [...(document.activeElement.options ?? [])].some(({ value }) => value === "undecided"),
  );
  await page.keyboard.press("ArrowDown");
  await run.until("a decided cell", () => deskOf(page), ({ verdict }) => ["parasitized", "uninfected"].includes(verdict));
  // In the filter letters choose an entry; out of it they are for the cells.
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  const cells = new Map();
  for (;;) {
    const { cell, verdict } = await run.until("a cell with its picture", () => deskOf(page), ({ cell, picture }) => cell === null || picture === "here");
    if (cell === null) {
      return cells;
    }
    cells.set(cell, verdict);
    await page.keyboard.press("s");
    await run.until("the next cell", () => deskOf(page), (now) => now.cell !== cell);
  }
}

await scenario({ name: "review", usage: "URL" }, async (run) => {
  const page = await run.open(run.args.url);
  await run.until("the device", () => isOnline(page));
  const begun = await openView(run, page);
  await lookAround(run, page);
  const decided = await decide(run, page);
  const after = await run.until(
    "the reviewed figure, with every decision kept",
    () => deskOf(page),
    ({ progress, reviewed, unsent }) =>
      numberIn(progress) === numberIn(begun.progress) + decided.length && /^\d/.test(reviewed) && !unsent,
  );
  await run.picture(page, "review");

  await page.reload();
  const found = await decidedCells(run, page);
  const lost = decided.filter(({ id, verdict }) => found.get(id) !== verdict);
  run.expect(lost.length === 0, `after a reload these decisions are not there: ${JSON.stringify(lost)}`);
  await run.picture(page, "review-decided");
  const { machine, reviewed, progress, complete } = after;
  return { decided, machine, reviewed, progress, complete, before: begun.progress };
});
