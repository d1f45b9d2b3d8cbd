// The picture and its boxes. A parasitized cell differs from the others by colour, by a thick
// dashed line and by a marker above it, so that it is found without colour vision.

import { place, type Size } from "./geometry";
import type { Box } from "./messages/checks";
import type { FieldMessage } from "./messages/field";

/** Chosen to stand out from a Giemsa stain in both themes: the picture has no dark mode. */
const PARASITIZED = "#a8003b";
const UNINFECTED = "#005a9c";
const OTHER = "#4a4a4a";
const HALO = "rgba(255, 255, 255, 0.9)";

type Pen = CanvasRenderingContext2D;

function outline(pen: Pen, [x, y, w, h]: Box, radius: number): void {
  pen.beginPath();
  pen.roundRect(x, y, w, h, radius);
}

function strokeTwice(pen: Pen, width: number, colour: string, dash: number[]): void {
  pen.setLineDash([]);
  pen.lineWidth = width + 2;
  pen.strokeStyle = HALO;
  pen.stroke();
  pen.setLineDash(dash);
  pen.lineWidth = width;
  pen.strokeStyle = colour;
  pen.stroke();
}

/** A diamond on the middle of the box's upper edge. */
function diamond(pen: Pen, [x, y, w]: Box): void {
  const size = 6;
  const cx = x + w / 2;
  pen.beginPath();
  pen.moveTo(cx, y - size);
  pen.lineTo(cx + size, y);
  pen.lineTo(cx, y + size);
  pen.lineTo(cx - size, y);
  pen.closePath();
  pen.setLineDash([]);
}

function marker(pen: Pen, box: Box): void {
  diamond(pen, box);
  pen.lineWidth = 3;
  pen.strokeStyle = HALO;
  pen.stroke();
  pen.fillStyle = PARASITIZED;
  pen.fill();
}

function drawOther(pen: Pen, box: Box): void {
  outline(pen, box, 2);
  pen.globalAlpha = 0.55;
  pen.setLineDash([1, 3]);
  pen.lineWidth = 1;
  pen.strokeStyle = OTHER;
  pen.stroke();
  pen.globalAlpha = 1;
}

function drawUninfected(pen: Pen, box: Box): void {
  outline(pen, box, Math.min(box[2], box[3]) / 3);
  pen.setLineDash([]);
  pen.lineWidth = 1;
  pen.strokeStyle = UNINFECTED;
  pen.stroke();
}

function drawParasitized(pen: Pen, box: Box): void {
  outline(pen, box, 0);
  strokeTwice(pen, 3, PARASITIZED, [7, 4]);
  marker(pen, box);
}

/** Thin, dashed and dim, its marker hollow: seen in this field, but not counted for it. */
function drawCountedBefore(pen: Pen, box: Box, parasitized: boolean): void {
  outline(pen, box, parasitized ? 0 : Math.min(box[2], box[3]) / 3);
  pen.globalAlpha = 0.65;
  pen.setLineDash([4, 3]);
  pen.lineWidth = parasitized ? 1.5 : 1;
  pen.strokeStyle = parasitized ? PARASITIZED : UNINFECTED;
  pen.stroke();
  if (parasitized) {
    diamond(pen, box);
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

export function drawChosen(pen: Pen, box: Box): void {
  outline(pen, box, 4);
  strokeTwice(pen, 2, "#000000", []);
}

/** Whether a box lies on the part of the drawing that is seen. */
const isSeen = ([x, y, w, h]: Box, [left, top, width, height]: Box): boolean =>
  x < left + width && x + w > left && y < top + height && y + h > top;

/**
 * Draws the boxes of `field` that lie in `seen` onto a drawing of `size` screen pixels. Parasitized
 * cells come last, so that no neighbour's line crosses theirs.
 */
export function drawBoxes(pen: Pen, field: FieldMessage, size: Size, seen: Box): void {
  for (const other of field.others) {
    const box = place(other, field, size);
    if (isSeen(box, seen)) {
      drawOther(pen, box);
    }
  }
  for (const parasitized of [false, true]) {
    for (const cell of field.cells) {
      const box = place(cell.bbox, field, size, parasitized ? 2 : 0);
      if (cell.parasitized !== parasitized || !isSeen(box, seen)) {
        continue;
      }
      if (cell.countedBefore) {
        drawCountedBefore(pen, box, parasitized);
      } else if (parasitized) {
        drawParasitized(pen, box);
      } else {
        drawUninfected(pen, box);
      }
    }
  }
}
