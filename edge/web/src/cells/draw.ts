// A cell, large: its own pixels, unmarked but for brackets beside it, and its outline where wanted.

import type { Size } from "../geometry";
import type { Box } from "../messages/checks";
import type { DecodedCell } from "./decode";

/** Chosen to stand out from a Giemsa stain in both themes: the picture has no dark mode. */
const LINE = "#003a66";
const HALO = "rgba(255, 255, 255, 0.9)";
/** How much of the cell's own size is seen around it from close by. */
const MARGIN = 0.2;

/** The part of the picture that is shown, in its pixels. `cell`: where in the picture the cell is. */
export function partOf(picture: Size, cell: Box, isClose: boolean): Box {
  if (!isClose) {
    return [0, 0, picture.width, picture.height];
  }
  const [x, y, w, h] = cell;
  const margin = MARGIN * Math.max(w, h);
  const left = Math.max(x - margin, 0);
  const top = Math.max(y - margin, 0);
  const right = Math.min(x + w + margin, picture.width);
  const bottom = Math.min(y + h + margin, picture.height);
  // A box outside of its picture is a mistake; then all of it is shown.
  return right > left && bottom > top ? [left, top, right - left, bottom - top] : [0, 0, picture.width, picture.height];
}

function brackets(pen: CanvasRenderingContext2D, [x, y, w, h]: Box): void {
  const arm = Math.min(w, h) / 5;
  pen.beginPath();
  for (const [cx, cy, dx, dy] of [
    [x, y, 1, 1],
    [x + w, y, -1, 1],
    [x, y + h, 1, -1],
    [x + w, y + h, -1, -1],
  ] as const) {
    pen.moveTo(cx + dx * arm, cy);
    pen.lineTo(cx, cy);
    pen.lineTo(cx, cy + dy * arm);
  }
}

/** Draws onto `size` screen pixels; `cell` is the cell's box in pixels of the picture. */
export function drawCell(
  pen: CanvasRenderingContext2D,
  { bitmap, outline }: DecodedCell,
  cell: Box,
  size: Size,
  look: { isClose: boolean; hasOutline: boolean },
): void {
  const [x, y, w, h] = partOf(bitmap, cell, look.isClose);
  const scale = Math.min(size.width / w, size.height / h);
  const left = (size.width - w * scale) / 2;
  const top = (size.height - h * scale) / 2;
  pen.clearRect(0, 0, size.width, size.height);
  // The camera's own pixels: what is smoothed looks like more than there is.
  pen.imageSmoothingEnabled = false;
  pen.drawImage(bitmap, x, y, w, h, left, top, w * scale, h * scale);

  pen.save();
  pen.translate(left - x * scale, top - y * scale);
  pen.scale(scale, scale);
  const stroke = (width: number, colour: string, path?: Path2D): void => {
    pen.lineWidth = width / scale;
    pen.strokeStyle = colour;
    path ? pen.stroke(path) : pen.stroke();
  };
  const gap = 3;
  brackets(pen, [cell[0] - gap, cell[1] - gap, cell[2] + 2 * gap, cell[3] + 2 * gap]);
  stroke(4, HALO);
  stroke(2, LINE);
  if (look.hasOutline) {
    stroke(4, HALO, outline);
    stroke(1.5, LINE, outline);
  }
  pen.restore();
}
