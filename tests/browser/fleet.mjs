// Twenty simulated boards on one broker, seen on one page: all are found, those in trouble stand first, one whose model no longer
// fits its slides after those, one that loses its connection and one that is stopped are told apart; searched, filtered, on a
// phone; the way to one board's own page and back to life of the one that was lost, whose slides then change.
//
//     node fleet.mjs BROKER --page URL [--boards N] [--timeout SECONDS] [--pictures FOLDER]
//
// BROKER is the address of a broker's WebSocket. Exit codes: scenario.mjs.

import { FakeBoard } from "./fake_board.mjs";
import { DRIFTED } from "./fake_messages.mjs";
import { isOnline, numberIn, show, sidewaysOf, wordsOf } from "./look.mjs";
import { DESK, PHONE, scenario } from "./scenario.mjs";

const nameOf = (n) => `clinic-${n + 1}`;
const slideOf = (n) => `2026-${String(100 + n)}`;
const IN_TROUBLE = 4;
const LOST = 11;
const STOPPED = 7;
/** Its slides are no longer such as its model knows. */
const PALE = 9;

/** What the table says, row by row. */
const rowsOf = (page) =>
  page.evaluate(() =>
    [...document.querySelectorAll(".fleet-table tbody tr")].map((row) => ({
      name: row.querySelector(".fleet-link").innerText,
      state: row.querySelector(".pill").innerText,
      alarms: [...row.querySelectorAll(".fleet-alarms li")].map((alarm) => alarm.innerText),
      isBad: row.querySelector('.fleet-alarms [data-tone="bad"]') !== null,
      isAway: row.classList.contains("fleet-away"),
      isCard: getComputedStyle(row).display === "block",
    })),
  );

async function connect(run, broker, amount) {
  const boards = await Promise.all(
    Array.from({ length: amount }, (_, n) =>
      FakeBoard.connect(broker, nameOf(n), {
        cells: 0,
        changes: { status: {}, health: { temperature_c: 48 + (n % 9) }, model: {}, slide: { id: slideOf(n) }, live: {} },
      }),
    ),
  );
  run.atEnd(async () => {
    // Some have ended already.
    await Promise.allSettled(boards.map((board) => board.stop()));
    await FakeBoard.retire(broker, boards.map(({ device }) => device));
  });
  return boards;
}

/** In trouble, then worth a look, then away, then well; among equals by name. */
function rankOf({ isBad, alarms, state }) {
  if (alarms.length > 0) {
    return isBad ? 0 : 1;
  }
  return state === "online" ? 3 : 2;
}

function isSorted(rows) {
  const names = new Intl.Collator("en", { numeric: true });
  return rows.every((row, i) => {
    const before = rows[i - 1];
    return !before || rankOf(before) < rankOf(row) || (rankOf(before) === rankOf(row) && names.compare(before.name, row.name) < 0);
  });
}

/** What the page should say of these rows. */
function summaryOf(rows) {
  const states = ["online", "offline", "stopped"].map((state) => `${rows.filter((row) => row.state === state).length} ${state}`);
  return `${states.join(", ")}, ${rows.filter(({ alarms }) => alarms.length > 0).length} with alarms`;
}

async function makeTrouble(run, page, boards) {
  Object.assign(boards[IN_TROUBLE].changes.health, { temperature_c: 91, throttled: ["under_voltage"] });
  await boards[IN_TROUBLE].say("health");
  boards[PALE].changes.health.drift = DRIFTED;
  await boards[PALE].say("health");
  await boards[LOST].crash();
  await boards[STOPPED].stop();
  const rows = await run.until(
    "the boards in trouble",
    () => rowsOf(page),
    (all) => {
      const of = (n) => all.find(({ name }) => name === nameOf(n));
      return (
        of(LOST)?.state === "offline" &&
        of(LOST).alarms.includes("Offline") &&
        of(LOST).isAway &&
        of(STOPPED)?.state === "stopped" &&
        of(STOPPED).alarms.length === 0 &&
        of(IN_TROUBLE)?.alarms.some((alarm) => alarm === "Hot: 91 °C") &&
        of(IN_TROUBLE).alarms.includes("Power supply too weak") &&
        of(PALE)?.alarms.includes("The model no longer fits the slides (stain, cell size)") &&
        !of(PALE).isBad
      );
    },
  );
  run.expect(isSorted(rows), `those in trouble don't come first: ${rows.map(({ name }) => name).join(", ")}`);
  const summary = await run.until(
    "a summary of the table",
    async () => ({ said: await page.locator(".fleet-summary").innerText(), counted: summaryOf(await rowsOf(page)) }),
    ({ said, counted }) => said === counted,
  );
  await run.picture(page, "fleet");
  return { rows, summary: summary.said };
}

async function find(run, page, all) {
  const search = page.getByRole("searchbox", { name: "Search" });
  const show = page.getByLabel("Show");
  // A real board on the same broker comes and goes with its alarms.
  const ours = (rows) => rows.map(({ name }) => name).filter((name) => name.startsWith("clinic-"));
  const names = (expected, what) =>
    run.until(what, async () => ours(await rowsOf(page)), (found) => found.join() === expected.join());
  await search.fill(nameOf(13).toUpperCase());
  await names([nameOf(13)], "one board found by its name");
  await search.fill(slideOf(2));
  await names([nameOf(2)], "one board found by its slide");
  await search.fill("no such board");
  await names([], "no board");
  await run.until("that nothing fits", () => page.getByText("No device fits this search.").isVisible());
  await search.fill("");
  await show.selectOption({ label: "Offline" });
  await names([nameOf(LOST)], "the board that is offline");
  await show.selectOption({ label: "With alarms" });
  await names(ours(all.filter(({ alarms }) => alarms.length > 0)), "the boards with alarms");
  await show.selectOption({ label: "All" });
  await names(ours(all), "all boards");
}

async function onPhones(run, page) {
  for (const width of [PHONE.width, 320]) {
    await page.setViewportSize({ ...PHONE, width });
    const rows = await run.until("a card for each board", () => rowsOf(page), (all) => all.length > 0 && all.every(({ isCard }) => isCard));
    run.expect((await sidewaysOf(page)) <= 0, `${rows.length} cards scroll sideways at a width of ${width}`);
    await run.picture(page, `fleet-${width}`);
  }
  await page.setViewportSize(DESK);
}

/** On a board's own page: the technician is told, and the engineer sees what it is. */
async function seeDrift(run, page, board) {
  board.changes.health.drift = DRIFTED;
  await board.say("health");
  await run.until("the word to the technician", () => wordsOf(page, ["unlike"]), ({ unlike }) => /^The slides look different/.test(unlike ?? ""));
  await run.picture(page, "drift-live");
  await show(run, page, "device");
  const rows = page.locator(".device-measures tbody tr");
  const verdicts = await run.until("the measures", () => rows.locator("td:last-child").allInnerTexts(), ({ length }) => length > 0);
  const expected = DRIFTED.measures.map(({ is_out }) => (is_out ? "outside" : "within"));
  run.expect(verdicts.join() === expected.join(), `the measures are said to be ${verdicts.join(", ")}`);
  await run.picture(page, "drift-device");
}

const options = { page: { type: "string" }, boards: { type: "string", default: "20" } };
await scenario({ name: "fleet", usage: "BROKER --page URL [--boards N]", places: ["broker"], options, needs: ["page"] }, async (run) => {
  const { broker } = run.args;
  const amount = Number(run.args.boards);
  const boards = await connect(run, broker, amount);
  const url = new URL(run.args.page);
  url.searchParams.set("broker", broker);
  const page = await run.open(url.href);
  const begin = Date.now();
  const ours = (rows) => rows.filter(({ name }) => boards.some(({ device }) => device === name));
  await run.until(`all ${amount} boards online`, () => rowsOf(page), (rows) => ours(rows).filter(({ state }) => state === "online").length === amount);
  const foundAfter = (Date.now() - begin) / 1000;

  const { rows, summary } = await makeTrouble(run, page, boards);
  await find(run, page, rows);
  await onPhones(run, page);

  const back = await FakeBoard.connect(broker, nameOf(LOST), { cells: 0, live: true });
  boards.push(back);
  const isBack = ({ name, state, alarms }) => name === nameOf(LOST) && state === "online" && alarms.length === 0;
  await run.until("the lost board's return", () => rowsOf(page), (all) => all.some(isBack));

  await page.getByRole("link", { name: nameOf(LOST), exact: true }).click();
  await run.until(`the page of ${nameOf(LOST)}`, () => isOnline(page));
  const shown = await run.until("what its camera sees", () => wordsOf(page, ["device-name", "percent", "now-focus"]), (words) => numberIn(words["now-focus"]) !== null);
  run.expect(shown["device-name"] === nameOf(LOST) && page.url().endsWith("#/live"), `the link leads to ${page.url()}`);
  await run.picture(page, "fleet-board");
  await seeDrift(run, page, back);
  return { boards: amount, found_after: foundAfter, summary, first: rows.slice(0, 4).map(({ name, alarms }) => [name, ...alarms]) };
});
