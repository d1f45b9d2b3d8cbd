// Takes the page's broker away and gives it back: everything is marked as not live within seconds, in every view, and comes
// back by itself without a reload.
//
//     node broker_lost.mjs URL --broker WS [--device NAME] [--timeout SECONDS] [--pictures FOLDER]
//
// WS is the broker's real WebSocket; the page is sent to it by a way of this script's own. Of a board that takes fields by
// itself. Without --device it is the one that the page's broker.json names. Exit codes: scenario.mjs.

import net from "node:net";

import { CONTENT, isOnline, numberIn, pictureOf, show, sidewaysOf, wordsOf } from "./look.mjs";
import { DESK, PHONE, scenario } from "./scenario.mjs";

/** A way to a server that can be cut. */
class Way {
  #listener = net.createServer((socket) => this.#join(socket));
  #sockets = new Set();
  #to;

  constructor(to) {
    this.#to = to;
  }

  get port() {
    return this.#listener.address().port;
  }

  async open(port = 0) {
    await new Promise((done, failed) => {
      this.#listener.once("error", failed);
      this.#listener.listen(port, "127.0.0.1", done);
    });
  }

  /** Who comes is refused from now on. */
  async cut() {
    const closed = new Promise((done) => this.#listener.close(done));
    this.#sockets.forEach((socket) => socket.destroy());
    await closed;
  }

  #join(socket) {
    const far = net.connect(this.#to);
    for (const [one, other] of [[socket, far], [far, socket]]) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.pipe(other);
      one.on("error", () => {});
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
  }
}

/** A machine that builds something meanwhile is slow. */
const MOST_SECONDS = 10;

/** In each view something that becomes old, and where it says so. */
const VIEWS = {
  live: { content: "#counts", marks: ["#field-stale", "#slide-stale"] },
  slide: { content: "#percent", marks: ["#slide-stale"] },
  review: { content: ".cell-figure", marks: [".cell-off", ".stale"] },
  device: { content: ".device-cards", marks: [".stale"] },
  fleet: { content: ".fleet-table", marks: [".stale"] },
};

/** Which view is looked at when the broker goes, and where one goes from there. Device and fleet hear only while they are seen. */
const CUTS = [
  ["live", "slide", "review"],
  ["device"],
  ["fleet"],
];

const IDS = ["link-state", "device-state", "alarm", "seq", "field-stale", "slide-stale"];
const stateOf = async (page) => ({ ...(await wordsOf(page, IDS)), ...(await pictureOf(page)) });

const isLive = (s) =>
  s.alarm === null &&
  s["link-state"] === "Connected to the broker" &&
  s["device-state"] === "Device online" &&
  s["field-stale"] === null &&
  s["slide-stale"] === null &&
  s.seq !== null &&
  s.boxes >= 1 &&
  s.colours >= CONTENT;

const marksIn = (page, view) =>
  page.evaluate(
    (marks) => marks.map((mark) => [...document.querySelectorAll(mark)].find((one) => one.checkVisibility())?.innerText ?? null),
    VIEWS[view].marks,
  );

async function seeUnmarked(run, page, view) {
  await show(run, page, view);
  await run.until(`something in the view ${view}`, () => page.locator(VIEWS[view].content).first().isVisible());
  await run.until(`the view ${view} without a mark`, () => marksIn(page, view), (marks) => marks.every((mark) => mark === null));
}

async function seeMarked(run, page, view) {
  await show(run, page, view);
  const marks = await run.until(`that ${view} is marked`, () => marksIn(page, view), (all) => all.every((mark) => mark !== null));
  const { alarm } = await wordsOf(page, ["alarm"]);
  run.expect(alarm?.includes("not live"), `${view} stands there without the alarm`);
  await run.picture(page, `lost-${view}`);
  return marks;
}

/** Cuts the way while the first of `views` is looked at; gives what each says of it, and after how many seconds. */
async function loseBroker(run, page, way, views) {
  for (const view of views.toReversed()) {
    await seeUnmarked(run, page, view);
  }
  const { port } = way;
  const cutAt = Date.now();
  await way.cut();
  await run.until("the alarm", () => stateOf(page), (s) => s.alarm?.includes("not live") && s["link-state"] === "No connection to the broker");
  const alarmAfter = (Date.now() - cutAt) / 1000;
  run.expect(alarmAfter < MOST_SECONDS, `the alarm came only after ${alarmAfter} s`);
  const marks = {};
  for (const view of views) {
    marks[view] = await seeMarked(run, page, view);
  }
  await page.setViewportSize(PHONE);
  run.expect((await sidewaysOf(page)) <= 0, "the alarm makes the page scroll sideways on a phone");
  await run.picture(page, `lost-${views[0]}-phone`);
  await page.setViewportSize(DESK);

  const backAt = Date.now();
  await way.open(port);
  await run.until("the end of the alarm", () => wordsOf(page, ["alarm"]), ({ alarm }) => alarm === null);
  const backAfter = (Date.now() - backAt) / 1000;
  for (const view of views) {
    await seeUnmarked(run, page, view);
  }
  return { alarm_after: alarmAfter, back_after: backAfter, marks };
}

async function deviceOf(page) {
  return (await page.request.get(new URL("broker.json", page.url()).href).then((answer) => answer.json())).device;
}

const options = { broker: { type: "string" }, device: { type: "string" } };
await scenario({ name: "broker_lost", usage: "URL --broker WS [--device NAME]", options, needs: ["broker"] }, async (run) => {
  const broker = new URL(run.args.broker);
  const way = new Way({ host: broker.hostname, port: Number(broker.port || 80) });
  await way.open();
  run.atEnd(() => way.cut());
  run.provokes(/WebSocket connection to .* failed/);

  const page = await run.open();
  await page.goto(run.args.url);
  const device = run.args.device ?? (await deviceOf(page));
  const mine = new URL(run.args.url);
  mine.searchParams.set("broker", `ws://127.0.0.1:${way.port}${broker.pathname}`);
  mine.searchParams.set("device", device);
  await page.goto(mine.href);
  await run.until("the device", () => isOnline(page));
  const before = await run.until("the live view", () => stateOf(page), isLive);
  await page.evaluate(() => {
    window.wasNeverReloaded = true;
  });

  const cuts = [];
  for (const views of CUTS) {
    cuts.push(await loseBroker(run, page, way, views));
  }
  await show(run, page, "live");
  const after = await run.until(
    "the live view after the broker is back",
    () => stateOf(page),
    (s) => isLive(s) && numberIn(s.seq) > numberIn(before.seq),
  );
  await run.picture(page, "lost-and-back");
  run.expect(await page.evaluate(() => window.wasNeverReloaded === true), "the page was loaded anew");
  return { device, cuts, seq: [numberIn(before.seq), numberIn(after.seq)] };
});
