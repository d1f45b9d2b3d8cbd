// How a component follows what is outside of it.

import { useEffect, useReducer, useState } from "preact/hooks";

import type { Watched } from "./watched";

/** Makes the component be drawn again. */
function useRedraw(): () => void {
  const [, redraw] = useReducer<number, void>((n) => n + 1, 0);
  return () => redraw();
}

/**
 * Draws the component anew when `watched` changes: with the next frame of the screen, so that any
 * number of messages costs one drawing, and at most every `pause` milliseconds.
 */
export function useWatched(watched: Watched, pause = 0): void {
  const redraw = useRedraw();
  useEffect(() => {
    let frame = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let last = -Infinity;
    const draw = (): void => {
      frame = 0;
      last = performance.now();
      redraw();
    };
    const soon = (): void => {
      timer = undefined;
      frame = requestAnimationFrame(draw);
    };
    const stop = watched.watch(() => {
      if (frame !== 0 || timer !== undefined) {
        return;
      }
      const wait = last + pause - performance.now();
      if (wait > 0) {
        timer = setTimeout(soon, wait);
      } else {
        soon();
      }
    });
    // What changed between the first drawing and this must not be missed.
    redraw();
    return () => {
      stop();
      clearTimeout(timer);
      cancelAnimationFrame(frame);
    };
  }, [watched, pause]);
}

/** The time of `performance.now()`, told anew each `period` milliseconds: ages grow without a message. */
export function useNow(period = 500): number {
  const redraw = useRedraw();
  useEffect(() => {
    const timer = setInterval(redraw, period);
    return () => clearInterval(timer);
  }, [period]);
  return performance.now();
}

/**
 * The width on screen of an element, which a drawing needs so that its text and lines have their
 * natural size; 0 until it is known.
 */
export function useWidth(): { ref: (element: Element | null) => void; width: number } {
  const [element, setElement] = useState<Element | null>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    if (!element) {
      return undefined;
    }
    const sizes = new ResizeObserver(([entry]) => setWidth(Math.round(entry?.contentRect.width ?? 0)));
    sizes.observe(element);
    return () => sizes.disconnect();
  }, [element]);
  return { ref: setElement, width };
}
