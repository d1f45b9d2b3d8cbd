// From pixels of the field to pixels of the screen and back.

import type { Box } from "./messages/checks";
import type { Cell } from "./messages/field";

export interface Size {
  width: number;
  height: number;
}

/** A picture may be sent smaller than its field, but rounding is the only distortion it may have. */
const ASPECT_TOLERANCE = 0.01;

export function sameShape(field: Size, picture: Size): boolean {
  if (field.width <= 0 || field.height <= 0 || picture.width <= 0 || picture.height <= 0) {
    return false;
  }
  const ratio = (field.width * picture.height) / (field.height * picture.width);
  return Math.abs(ratio - 1) <= ASPECT_TOLERANCE;
}

/** A field's box on a drawing of that size, `grow` screen pixels larger on each side. */
export function place(box: Box, field: Size, drawing: Size, grow = 0): Box {
  const sx = drawing.width / field.width;
  const sy = drawing.height / field.height;
  return [box[0] * sx - grow, box[1] * sy - grow, box[2] * sx + 2 * grow, box[3] * sy + 2 * grow];
}

/**
 * The cell under a point of the field: of those whose box holds it the one with the nearest
 * centre, since the boxes of touching cells overlap.
 */
export function cellAt(cells: readonly Cell[], x: number, y: number): Cell | null {
  let best: Cell | null = null;
  let bestDistance = Infinity;
  for (const cell of cells) {
    const [left, top, w, h] = cell.bbox;
    if (x < left || x >= left + w || y < top || y >= top + h) {
      continue;
    }
    const distance = Math.hypot(x - left - w / 2, y - top - h / 2);
    if (distance < bestDistance) {
      best = cell;
      bestDistance = distance;
    }
  }
  return best;
}

/**
 * Where a label of `label` size stands beside a box without leaving the drawing: above it if there
 * is room, else below.
 */
export function labelSpot(box: Box, label: Size, drawing: Size): { x: number; y: number } {
  const gap = 8;
  const x = Math.min(Math.max(box[0] + box[2] / 2 - label.width / 2, 0), Math.max(drawing.width - label.width, 0));
  const above = box[1] - label.height - gap;
  return { x, y: above >= 0 ? above : Math.min(box[1] + box[3] + gap, Math.max(drawing.height - label.height, 0)) };
}
