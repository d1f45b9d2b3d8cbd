// Which part of the picture is seen, and how large. In pixels of the screen: at zoom 1 the whole
// picture fills the stage; `x` and `y` say how far the enlarged picture lies left of and above it.

import type { Size } from "../geometry";

export interface Viewport {
  zoom: number;
  x: number;
  y: number;
}

export interface Point {
  x: number;
  y: number;
}

export const WHOLE: Viewport = { zoom: 1, x: 0, y: 0 };

export const MAX_ZOOM = 12;

/** One press of a key or a button. */
export const STEP = 1.5;

const within = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), high);

/** The picture never leaves the stage's edge. */
export function panned({ zoom, x, y }: Viewport, dx: number, dy: number, stage: Size): Viewport {
  return {
    zoom,
    x: within(x + dx, 0, (zoom - 1) * stage.width),
    y: within(y + dy, 0, (zoom - 1) * stage.height),
  };
}

/** What lies under `at` stays there. */
export function zoomed(view: Viewport, factor: number, at: Point, stage: Size): Viewport {
  const zoom = within(view.zoom * factor, 1, MAX_ZOOM);
  const grown = zoom / view.zoom;
  const moved = { zoom, x: (view.x + at.x) * grown - at.x, y: (view.y + at.y) * grown - at.y };
  return panned(moved, 0, 0, stage);
}

/** As much of the picture as before, on a stage of another size. */
export function resized({ zoom, x, y }: Viewport, from: Size, to: Size): Viewport {
  const sx = from.width > 0 ? to.width / from.width : 1;
  const sy = from.height > 0 ? to.height / from.height : 1;
  return panned({ zoom, x: x * sx, y: y * sy }, 0, 0, to);
}

/** The picture's size on screen. */
export const enlarged = (stage: Size, { zoom }: Viewport): Size => ({
  width: stage.width * zoom,
  height: stage.height * zoom,
});

/** The point of a field that lies under a point of the stage. */
export function fieldPoint(at: Point, view: Viewport, stage: Size, field: Size): Point {
  const { width, height } = enlarged(stage, view);
  return { x: ((at.x + view.x) / width) * field.width, y: ((at.y + view.y) / height) * field.height };
}
