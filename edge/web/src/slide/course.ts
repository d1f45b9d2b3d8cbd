// How the estimate converged, as a drawing: cells counted to the right, percent upwards.
//
// Cells go to the right in equal steps and not in equal ratios: the interval is to be seen closing
// in on the figure, and the way that is left to the cells needed is to be seen as it is.

import type { Size } from "../geometry";
import type { CoursePoint } from "../messages/slide";
import { scaleFor, type Scale } from "./scale";

export interface Margins {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export interface CourseDrawing {
  x: Scale;
  y: Scale;
  /** Where a number of cells and a percentage stand; beyond the edge is at the edge. */
  left(cells: number): number;
  height(percent: number): number;
  /** Ways of SVG paths. */
  band: string;
  line: string;
}

/** Of the first cells the interval is so wide that it would press all else to the ground. */
const SETTLED = 0.15;

function topOf(course: readonly CoursePoint[], limit: number | null): number {
  const last = course.at(-1)!;
  const settled = course.filter(({ cells }) => cells >= last.cells * SETTLED);
  return Math.max(...settled.map(({ high }) => high), limit ?? 0);
}

/** `null` before there are two points. `limit`: the limit of detection in percent. */
export function drawCourse(
  course: readonly CoursePoint[],
  cellsNeeded: number,
  limit: number | null,
  { width, height }: Size,
  { left, right, top, bottom }: Margins,
): CourseDrawing | null {
  const last = course.at(-1);
  if (!last || course.length < 2 || width <= left + right) {
    return null;
  }
  const x = scaleFor(Math.max(cellsNeeded, last.cells, 1), width < 400 ? 3 : 5);
  const y = scaleFor(topOf(course, limit) || 1, 4);
  const within = (share: number): number => Math.min(Math.max(share, 0), 1);
  const leftOf = (cells: number): number => left + within(cells / x.top) * (width - left - right);
  const heightOf = (percent: number): number => height - bottom - within(percent / y.top) * (height - top - bottom);
  const way = (points: readonly [number, number][]): string =>
    points.map(([px, py], i) => `${i === 0 ? "M" : "L"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");
  const along = (read: (point: CoursePoint) => number): [number, number][] =>
    course.map((point) => [leftOf(point.cells), heightOf(read(point))]);
  return {
    x,
    y,
    left: leftOf,
    height: heightOf,
    band: `${way([...along((p) => p.high), ...along((p) => p.low).reverse()])}Z`,
    line: way(along((p) => p.percent)),
  };
}

/** A few points that tell the course in words: about the first quarter, the half, and now. */
export function milestones(course: readonly CoursePoint[]): CoursePoint[] {
  const last = course.at(-1);
  if (!last) {
    return [];
  }
  const at = (share: number): CoursePoint | undefined => course.find(({ cells }) => cells >= last.cells * share);
  return [...new Set([at(0.25), at(0.5), last])].filter((point) => point !== undefined);
}
