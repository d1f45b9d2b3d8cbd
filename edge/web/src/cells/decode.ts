// From a cell's PNG files to what can be drawn. Needs a browser.

import type { CellPicture } from "../messages/kept";
import { outlineOf, whiteOf } from "./outline";

export interface DecodedCell {
  bitmap: ImageBitmap;
  /** In pixels of the picture. */
  outline: Path2D;
}

const bitmapOf = (png: Uint8Array): Promise<ImageBitmap> =>
  createImageBitmap(new Blob([png as Uint8Array<ArrayBuffer>], { type: "image/png" }));

function pathOf(mask: ImageBitmap): Path2D {
  const canvas = document.createElement("canvas");
  canvas.width = mask.width;
  canvas.height = mask.height;
  const pen = canvas.getContext("2d", { willReadFrequently: true })!;
  pen.drawImage(mask, 0, 0);
  const { data } = pen.getImageData(0, 0, mask.width, mask.height);
  const path = new Path2D();
  for (const [x1, y1, x2, y2] of outlineOf(whiteOf(data), mask.width, mask.height)) {
    path.moveTo(x1, y1);
    path.lineTo(x2, y2);
  }
  return path;
}

export async function decodeCell({ picture, mask }: CellPicture): Promise<DecodedCell> {
  const [bitmap, white] = await Promise.all([bitmapOf(picture), bitmapOf(mask)]);
  if (bitmap.width !== white.width || bitmap.height !== white.height) {
    throw new Error("picture and mask differ in size");
  }
  const outline = pathOf(white);
  white.close();
  return { bitmap, outline };
}

export const releaseCell = ({ bitmap }: DecodedCell): void => bitmap.close();
