// The edge of a mask, along the pixels' own borders, so that it lies beside the cell and not on it.

/** From `[x1, y1]` to `[x2, y2]`, in pixels of the mask. */
export type Segment = readonly [number, number, number, number];

/** `isInside` tells of each pixel, row by row. Collinear pieces are joined. */
export function outlineOf(isInside: readonly boolean[], width: number, height: number): Segment[] {
  const at = (x: number, y: number): boolean =>
    x >= 0 && y >= 0 && x < width && y < height && isInside[y * width + x] === true;
  const segments: Segment[] = [];
  for (let y = 0; y <= height; y += 1) {
    let begin: number | null = null;
    for (let x = 0; x <= width; x += 1) {
      const isEdge = x < width && at(x, y - 1) !== at(x, y);
      if (isEdge && begin === null) {
        begin = x;
      } else if (!isEdge && begin !== null) {
        segments.push([begin, y, x, y]);
        begin = null;
      }
    }
  }
  for (let x = 0; x <= width; x += 1) {
    let begin: number | null = null;
    for (let y = 0; y <= height; y += 1) {
      const isEdge = y < height && at(x - 1, y) !== at(x, y);
      if (isEdge && begin === null) {
        begin = y;
      } else if (!isEdge && begin !== null) {
        segments.push([x, begin, x, y]);
        begin = null;
      }
    }
  }
  return segments;
}

/** Pixels of an RGBA picture that are rather white than black. */
export function whiteOf(rgba: Uint8ClampedArray): boolean[] {
  return Array.from({ length: rgba.length / 4 }, (_, i) => rgba[4 * i]! >= 128);
}
