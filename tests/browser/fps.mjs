// A bench, not a test: how smooth the live view stays while a simulated board sends it field after field, each with its picture.
//
//     node fps.mjs BROKER --page URL [--rate FIELDS_A_SECOND] [--cells N] [--seconds N] [--pictures FOLDER]
//
// BROKER is the address of a broker's WebSocket. The browser draws without a graphics card, by the same processors as all else
// that runs on this machine, the broker included: what a real display shows is smoother. Prints one line of JSON: frames a
// second over the whole time and those of an empty page before, the frame time that 95 % keep, tasks longer than 50 ms, and how
// many of the fields were drawn. Exit codes: scenario.mjs.

import { FakeBoard } from "./fake_board.mjs";
import { fieldOf, pictureOfField } from "./fake_fields.mjs";
import { isOnline, pictureOf } from "./look.mjs";
import { scenario } from "./scenario.mjs";

const DEVICE = "fps";
/** So many pictures are sent in turn. */
const PICTURES = 10;

/** Runs in the page: counts its frames and long tasks for so many seconds. */
function measure(seconds) {
  return new Promise((done) => {
    const tasks = [];
    const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)));
    observer.observe({ type: "longtask" });
    const frames = [];
    const drawn = new Set();
    let last = null;
    const begin = performance.now();
    const step = (now) => {
      if (last !== null) {
        frames.push(now - last);
      }
      last = now;
      drawn.add(document.getElementById("picture")?.dataset.fieldId);
      if (now - begin < seconds * 1000) {
        requestAnimationFrame(step);
        return;
      }
      observer.disconnect();
      frames.sort((a, b) => a - b);
      const share = (part) => frames[Math.floor(frames.length * part)];
      done({
        fps: (frames.length * 1000) / (last - begin),
        p50_frame_ms: share(0.5),
        p95_frame_ms: share(0.95),
        longest_frame_ms: frames.at(-1),
        long_tasks: tasks.length,
        longest_task_ms: Math.max(0, ...tasks),
        drawn: drawn.size,
      });
    };
    requestAnimationFrame(step);
  });
}

const rounded = (figures) => Object.fromEntries(Object.entries(figures).map(([name, n]) => [name, Math.round(n * 10) / 10]));

const options = {
  page: { type: "string" },
  rate: { type: "string", default: "5" },
  cells: { type: "string", default: "150" },
  seconds: { type: "string", default: "20" },
};
await scenario({ name: "fps", usage: "BROKER --page URL", places: ["broker"], options, needs: ["page"] }, async (run) => {
  const { broker } = run.args;
  const [rate, cells, seconds] = [run.args.rate, run.args.cells, run.args.seconds].map(Number);
  const board = await FakeBoard.connect(broker, DEVICE, { cells: 0, live: true });
  run.atEnd(async () => {
    await board.stop();
    await FakeBoard.retire(broker, [DEVICE]);
  });

  const url = new URL(run.args.page);
  url.searchParams.set("broker", broker);
  url.searchParams.set("device", DEVICE);
  const page = await run.open("about:blank");
  const fields = Array.from({ length: PICTURES }, (_, seq) => fieldOf(board, seq + 1, cells));
  const pictures = [];
  for (const field of fields) {
    pictures.push(await pictureOfField(page, field));
  }
  const empty = await page.evaluate(measure, 3);

  await page.goto(url.href);
  await run.until("the device", () => isOnline(page));
  let sent = 0;
  const send = () => {
    const { cells: boxes, counts, counted } = fields[sent % PICTURES];
    const field = { ...fieldOf(board, sent + 1, 0), cells: boxes, counts, counted };
    void board.sayField(field, pictures[sent % PICTURES]);
    sent += 1;
  };
  const timer = setInterval(send, 1000 / rate);
  run.atEnd(() => clearInterval(timer));
  await run.until("a field with its boxes", () => pictureOf(page), ({ boxes }) => boxes === cells);
  const before = sent;
  const busy = await page.evaluate(measure, seconds);
  await run.picture(page, "fps");
  return {
    ...rounded(busy),
    sent: sent - before,
    empty_page_fps: rounded(empty).fps,
    cells,
    picture_kb: Math.round(pictures.reduce((sum, { length }) => sum + length, 0) / PICTURES / 1000),
    rendering: "software, on the processors that run everything else",
  };
});
