// Makes a screenshot small: its colours become a little coarser, which nobody sees, and equal ones are packed together.

import { inflateSync } from "node:zlib";

import { png, RGB } from "./fake_cells.mjs";

const CHANNELS = 3;
/** 255 is a multiple of it, so that white stays white. */
const STEP = 5;

function paeth(left, up, corner) {
  const [byLeft, byUp, byCorner] = [Math.abs(up - corner), Math.abs(left - corner), Math.abs(left + up - 2 * corner)];
  if (byLeft <= byUp && byLeft <= byCorner) {
    return left;
  }
  return byUp <= byCorner ? up : corner;
}

/** By the number of a row's filter: what was taken from each byte. */
const PREDICTIONS = [() => 0, (left) => left, (_, up) => up, (left, up) => (left + up) >> 1, paeth];

/** The pixels of a PNG of 8 bits a channel without transparency, as a browser writes screenshots. */
function read(file) {
  const parts = [];
  for (let at = 8; at < file.length; at += 12 + file.readUInt32BE(at)) {
    const name = file.toString("latin1", at + 4, at + 8);
    parts.push([name, file.subarray(at + 8, at + 8 + file.readUInt32BE(at))]);
  }
  const [[, head]] = parts;
  const [width, height, depth, colourType] = [head.readUInt32BE(0), head.readUInt32BE(4), head[8], head[9]];
  if (depth !== 8 || colourType !== RGB) {
    throw new Error("it is no PNG of 8 bits a channel without transparency");
  }
  const rows = inflateSync(Buffer.concat(parts.filter(([name]) => name === "IDAT").map(([, data]) => data)));
  const stride = width * CHANNELS;
  const pixels = Buffer.alloc(height * stride);
  const of = (y, x) => (y < 0 || x < 0 ? 0 : pixels[y * stride + x]);
  for (let y = 0; y < height; y += 1) {
    const predict = PREDICTIONS[rows[y * (stride + 1)]];
    for (let x = 0; x < stride; x += 1) {
      const guess = predict(of(y, x - CHANNELS), of(y - 1, x), of(y - 1, x - CHANNELS));
      pixels[y * stride + x] = rows[y * (stride + 1) + 1 + x] + guess;
    }
  }
  return { width, height, pixels };
}

export function smaller(file) {
  const { width, height, pixels } = read(file);
  const paint = (x, y, rows, at) => {
    for (let channel = 0; channel < CHANNELS; channel += 1) {
      rows[at + channel] = Math.round(pixels[(y * width + x) * CHANNELS + channel] / STEP) * STEP;
    }
  };
  return png(width, height, RGB, paint, 9);
}
