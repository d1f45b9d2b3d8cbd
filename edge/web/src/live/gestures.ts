// Wheel, fingers, mouse and keys on the stage.

import { cellAt } from "../geometry";
import type { Cell, FieldMessage } from "../messages/field";
import type { Stage } from "./stage";
import { fieldPoint, panned, STEP, WHOLE, zoomed, type Point } from "./viewport";

/** Pixels of the screen that an arrow key moves the picture. */
const KEY_PAN = 60;

/** So far a finger or a mouse may shake without dragging. */
const SLACK = 4;

export interface Pointed {
  /** What is drawn, so that a point of the stage can be told from a cell. */
  field(): FieldMessage | null;
  point(cell: Cell | null): void;
}

const middle = ({ size }: Stage): Point => ({ x: size.width / 2, y: size.height / 2 });

export function zoomBy(stage: Stage, factor: number, at: Point = middle(stage)): void {
  stage.look(zoomed(stage.view, factor, at, stage.size));
}

/** Answers whether the key was for the picture. */
export function pressKey(stage: Stage, key: string): boolean {
  const pan = (dx: number, dy: number): boolean => {
    // A picture that is seen whole can't be moved; the key then moves the page, as everywhere.
    if (stage.view.zoom === 1) {
      return false;
    }
    stage.look(panned(stage.view, dx, dy, stage.size));
    return true;
  };
  switch (key) {
    case "+":
    case "=":
      zoomBy(stage, STEP);
      return true;
    case "-":
    case "−":
      zoomBy(stage, 1 / STEP);
      return true;
    case "0":
      stage.look(WHOLE);
      return true;
    case "ArrowLeft":
      return pan(-KEY_PAN, 0);
    case "ArrowRight":
      return pan(KEY_PAN, 0);
    case "ArrowUp":
      return pan(0, -KEY_PAN);
    case "ArrowDown":
      return pan(0, KEY_PAN);
    default:
      return false;
  }
}

export interface Gestures {
  /** Points anew at where the pointer is: under it there may be another field. */
  again(): void;
  stop(): void;
}

export function followGestures(target: HTMLElement, stage: Stage, pointed: Pointed): Gestures {
  const fingers = new Map<number, Point>();
  let hasMoved = false;
  /** Where the pointer rests on the stage. */
  let resting: Point | null = null;
  const here = (event: MouseEvent): Point => ({ x: event.offsetX, y: event.offsetY });

  const point = (at: Point): void => {
    resting = at;
    const field = pointed.field();
    if (field && stage.size.width > 0) {
      const { x, y } = fieldPoint(at, stage.view, stage.size, field);
      pointed.point(cellAt(field.cells, x, y));
    }
  };
  const drag = (before: Point, at: Point): void => {
    stage.look(panned(stage.view, before.x - at.x, before.y - at.y, stage.size));
  };
  const pinch = (id: number, before: Point, at: Point): void => {
    const other = [...fingers].find(([finger]) => finger !== id)?.[1];
    if (other) {
      const factor = Math.hypot(at.x - other.x, at.y - other.y) / Math.hypot(before.x - other.x, before.y - other.y);
      const between = { x: (at.x + other.x) / 2, y: (at.y + other.y) / 2 };
      stage.look(zoomed(stage.view, Number.isFinite(factor) ? factor : 1, between, stage.size));
    }
  };

  const onDown = (event: PointerEvent): void => {
    if (event.pointerType === "mouse" && event.button !== 0) {
      return;
    }
    fingers.set(event.pointerId, here(event));
    hasMoved = fingers.size > 1;
    target.setPointerCapture(event.pointerId);
    if (fingers.size === 1) {
      point(here(event));
    }
  };
  const onMove = (event: PointerEvent): void => {
    const before = fingers.get(event.pointerId);
    const at = here(event);
    if (!before) {
      point(at);
      return;
    }
    if (!hasMoved && Math.hypot(at.x - before.x, at.y - before.y) < SLACK) {
      return;
    }
    hasMoved = true;
    if (fingers.size === 2) {
      pinch(event.pointerId, before, at);
    } else if (stage.view.zoom > 1) {
      drag(before, at);
    }
    fingers.set(event.pointerId, at);
  };
  const onUp = (event: PointerEvent): void => {
    fingers.delete(event.pointerId);
  };
  const onLeave = (): void => {
    if (fingers.size === 0) {
      resting = null;
      pointed.point(null);
    }
  };
  const onWheel = (event: WheelEvent): void => {
    // Out of a picture that is seen whole the wheel goes on to move the page.
    if (event.deltaY === 0 || (event.deltaY > 0 && stage.view.zoom === 1)) {
      return;
    }
    event.preventDefault();
    // Lines and pages count as many pixels; a pinch on a touchpad comes as small steps.
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * 30;
    zoomBy(stage, Math.exp(-pixels * (event.ctrlKey ? 0.01 : 0.002)), here(event));
  };

  target.addEventListener("pointerdown", onDown);
  target.addEventListener("pointermove", onMove);
  target.addEventListener("pointerup", onUp);
  target.addEventListener("pointercancel", onUp);
  target.addEventListener("pointerleave", onLeave);
  target.addEventListener("wheel", onWheel, { passive: false });
  return {
    again: () => resting && point(resting),
    stop: () => {
      target.removeEventListener("pointerdown", onDown);
      target.removeEventListener("pointermove", onMove);
      target.removeEventListener("pointerup", onUp);
      target.removeEventListener("pointercancel", onUp);
      target.removeEventListener("pointerleave", onLeave);
      target.removeEventListener("wheel", onWheel);
    },
  };
}
