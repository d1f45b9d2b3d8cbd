// Fields of view that no camera has seen: cells side by side, some of them with a ring, and a picture of them that a browser
// draws. All of it is made from a number, so that two runs show the same.

import { numbersOf } from "./fake_cells.mjs";
import { MODEL } from "./fake_messages.mjs";

const SIZE = { width: 1280, height: 960 };

/** One id for each number; they grow as ids of fields do. */
const idOf = (seq) => `01980000-0000-7000-8000-${seq.toString(16).padStart(12, "0")}`;

/** Where cells lie in field `seq`: on a grid, each a little off its place. */
function cellsOf(seq, amount) {
  const next = numbersOf(seq);
  const columns = Math.ceil(Math.sqrt((amount * SIZE.width) / SIZE.height));
  const rows = Math.ceil(amount / columns);
  const [across, down] = [SIZE.width / columns, SIZE.height / rows];
  return Array.from({ length: amount }, (_, n) => {
    const side = Math.round(Math.min(across, down) * (0.68 + 0.2 * next()));
    const x = Math.round((n % columns) * across + (across - side) * next());
    const y = Math.round(Math.floor(n / columns) * down + (down - side) * next());
    const p = next() < 0.04 ? 0.8 + 0.2 * next() : 0.4 * next() ** 4;
    return { bbox: [x, y, side, side], label: p >= 0.5 ? "parasitized" : "uninfected", p_parasitized: p };
  });
}

/** The `field` message of a board's field `seq`. */
export function fieldOf({ device, bootId, slide }, seq, amount) {
  const cells = cellsOf(seq, amount);
  const counts = { cells: amount, parasitized: cells.filter(({ label }) => label === "parasitized").length };
  return {
    schema: "smearscope.field/1",
    device,
    boot_id: bootId,
    id: idOf(seq),
    seq,
    captured_at: new Date().toISOString(),
    clock_synchronised: true,
    source: `fake:${seq}`,
    ...SIZE,
    quality: { focus: 48.25, exposure: 0.86, crowded: false, cell_diameter: 74, objective_too_low: false },
    cells,
    others: [],
    counts,
    counted: counts,
    overlap: null,
    slide: slide.id,
    model: MODEL,
  };
}

/** The JPEG of a field, as bytes; `page` is any page of a browser, which draws it. */
export async function pictureOfField(page, { width, height, cells }) {
  const text = await page.evaluate(
    async ({ wide, high, drawn }) => {
      const canvas = new OffscreenCanvas(wide, high);
      const pen = canvas.getContext("2d");
      pen.fillStyle = "#d3dad0";
      pen.fillRect(0, 0, wide, high);
      for (const { bbox: [x, y, side], label } of drawn) {
        const [cx, cy, r] = [x + side / 2, y + side / 2, side / 2 - 2];
        const colours = pen.createRadialGradient(cx, cy, r * 0.1, cx, cy, r);
        colours.addColorStop(0, "#c9a3ae");
        colours.addColorStop(0.5, "#ab7085");
        colours.addColorStop(1, "#9d5f78");
        pen.fillStyle = colours;
        pen.beginPath();
        pen.arc(cx, cy, r, 0, 2 * Math.PI);
        pen.fill();
        if (label === "parasitized") {
          pen.strokeStyle = "#54378a";
          pen.lineWidth = r * 0.12;
          pen.beginPath();
          pen.arc(cx + r * 0.2, cy, r * 0.28, 0, 2 * Math.PI);
          pen.stroke();
          pen.fillStyle = "#3a1560";
          pen.beginPath();
          pen.arc(cx - r * 0.05, cy - r * 0.1, r * 0.13, 0, 2 * Math.PI);
          pen.fill();
        }
      }
      const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.8 });
      const bytes = new Uint8Array(await blob.arrayBuffer());
      return bytes.reduce((all, byte) => all + String.fromCharCode(byte), "");
    },
    { wide: width, high: height, drawn: cells },
  );
  return Buffer.from(text, "latin1");
}
