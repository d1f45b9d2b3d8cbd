// Red cells that were never under a microscope: what a board keeps of them, and their pictures as PNG files. All of it is
// made from a number, so that two runs show the same.

import { createHash } from "node:crypto";
import { crc32, deflateSync } from "node:zlib";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const GREY = 0;
export const RGB = 2;

function chunk(name, data) {
  const body = Buffer.concat([Buffer.from(name, "latin1"), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

/** A PNG of 8 bits a channel; `paint(x, y, rows, at)` writes the channels of a pixel. */
export function png(width, height, colourType, paint, level = 1) {
  const stride = 1 + width * (colourType === RGB ? 3 : 1);
  const rows = Buffer.alloc(height * stride);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      paint(x, y, rows, y * stride + 1 + x * (colourType === RGB ? 3 : 1));
    }
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, colourType], 8);
  const data = deflateSync(rows, { level });
  return Buffer.concat([SIGNATURE, chunk("IHDR", head), chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
}

/** Numbers from 0 to 1 that are the same for the same seed. */
export function numbersOf(seed) {
  let state = (seed * 2654435761 + 12345) >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const within = ({ x, y, rx, ry }, px, py) => ((px - x) / rx) ** 2 + ((py - y) / ry) ** 2;

/**
 * What stands in the part of a field around cell `n`: the cell in the middle, neighbours at the edge, and a ring in the
 * cell where it is `parasitized`. The mask is white where the cell is.
 */
export function cellPictures(n, { parasitized, bbox, crop }) {
  const next = numbersOf(n);
  const [, , width, height] = crop;
  const cell = { x: bbox[0] - crop[0] + bbox[2] / 2, y: bbox[1] - crop[1] + bbox[3] / 2, rx: bbox[2] / 2, ry: bbox[3] / 2 };
  const neighbours = [0, 1, 2].map((i) => {
    const angle = next() * 2 * Math.PI + i * 2;
    const far = cell.rx * (2 + 0.35 * next());
    return { x: cell.x + far * Math.cos(angle), y: cell.y + far * Math.sin(angle), rx: cell.rx * 0.95, ry: cell.ry };
  });
  const ring = { x: cell.x + (next() - 0.5) * cell.rx * 0.7, y: cell.y + (next() - 0.5) * cell.ry * 0.7 };
  const ringSize = cell.rx * (0.24 + 0.08 * next());
  const dot = next() * 2 * Math.PI;

  const BACKGROUND = [214, 219, 210];
  const CHROMATIN = [74, 28, 104];
  const CYTOPLASM = [98, 62, 140];
  const colourOf = (x, y) => {
    if (parasitized) {
      const far = Math.hypot(x - ring.x, y - ring.y);
      const chromatin = Math.hypot(x - ring.x - ringSize * Math.cos(dot), y - ring.y - ringSize * Math.sin(dot));
      if (chromatin < ringSize * 0.4) {
        return CHROMATIN;
      }
      if (Math.abs(far - ringSize) < ringSize * 0.22) {
        return CYTOPLASM;
      }
    }
    const inside = Math.min(within(cell, x, y), ...neighbours.map((neighbour) => within(neighbour, x, y)));
    if (inside > 1) {
      return BACKGROUND;
    }
    // The pallor in the middle.
    const pale = Math.max(0, 1 - inside * 2.5);
    return [178 + 40 * pale, 116 + 70 * pale, 130 + 60 * pale];
  };

  return {
    picture: png(width, height, RGB, (x, y, rows, at) => {
      const grain = 8 * (next() - 0.5);
      const [r, g, b] = colourOf(x, y);
      rows[at] = r + grain;
      rows[at + 1] = g + grain;
      rows[at + 2] = b + grain;
    }),
    mask: png(width, height, GREY, (x, y, rows, at) => {
      rows[at] = within(cell, x, y) <= 1 ? 255 : 0;
    }),
  };
}

/** A UUID that is the same for the same words. */
export function uuidOf(...words) {
  const hex = createHash("sha256").update(words.join("/")).digest("hex");
  return `01980000-${hex.slice(0, 4)}-7${hex.slice(4, 7)}-8${hex.slice(7, 10)}-${hex.slice(10, 22)}`;
}

/** How probable a cell of each kind is called parasitized: from here on, and so much wide. */
const PROBABILITIES = { suspicious: [0.8, 0.2], threshold: [0.4, 0.2], random: [0, 0.3], novel: [0, 0.3] };
const REASONS = [...Array(6).fill("suspicious"), ...Array(2).fill("threshold"), "random", "novel"];

/**
 * Kept cells as a board lists them, the most suspicious first. Beside what goes out on the wire each has `number` and
 * `looksParasitized`, what is seen in its picture: now and then the machine is wrong.
 */
export function keptCells(device, { slide, model, seed, amount }) {
  const next = numbersOf(seed);
  const cellOf = (_, n) => {
    const reason = REASONS[n % REASONS.length];
    const [least, spread] = PROBABILITIES[reason];
    const p = least + spread * next();
    const [w, h] = [56 + Math.round(24 * next()), 54 + Math.round(24 * next())];
    const [x, y] = [120 + Math.round(900 * next()), 120 + Math.round(700 * next())];
    return {
      id: uuidOf(device, "cell", n),
      field_id: uuidOf(device, "field", n >> 1),
      series: uuidOf(device, "series"),
      seq: 1 + (n >> 1),
      slide,
      captured_at: new Date(Date.now() - 60_000 * (amount - n)).toISOString(),
      clock_synchronised: true,
      reason,
      bbox: [x, y, w, h],
      label: p >= 0.5 ? "parasitized" : "uninfected",
      p_parasitized: p,
      model,
      crop: [x - Math.round(w / 2), y - Math.round(h / 2), 2 * w, 2 * h],
      decision: null,
      field_colour: [212.5, 161, 170.25],
      stands_for: reason === "random" ? 70 : 1,
      novelty: reason === "novel" ? 3.25 : 1,
      number: n,
      looksParasitized: next() < 0.9 ? p >= 0.5 : p < 0.5,
    };
  };
  return Array.from({ length: amount }, cellOf).sort(
    (a, b) => b.p_parasitized - a.p_parasitized || (a.id < b.id ? -1 : 1),
  );
}
