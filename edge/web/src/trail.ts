// A figure of the camera over the last minute. Whoever turns the knob looks for the peak of the
// focus, and knows that it was one only after having turned too far.

import type { Size } from "./geometry";

const SPAN_MS = 60_000;

/** At two messages a second a minute has 120; a flood must not fill the memory. */
const MAX_SAMPLES = 300;

/** Room for the mark above the peak and for the width of the line. */
const MARGIN = 10;

interface Sample {
  at: number;
  value: number | null;
}

export interface Best {
  at: number;
  value: number;
}

/** The way of an SVG path, and where on it the best value is. */
export interface TrailDrawing {
  line: string;
  best: { x: number; y: number } | null;
}

/** The height of a value where `top` stands at the upper edge and 0 at the lower. */
export const heightOf = (value: number, top: number, size: Size): number =>
  size.height - MARGIN - (value / (top || 1)) * (size.height - 2 * MARGIN);

export class Trail {
  private samples: Sample[] = [];

  /** What lies further apart than `gap` milliseconds is not joined by a line. */
  constructor(private readonly gap: number) {}

  /** `null`: there was no picture, which ends the line. */
  add(value: number | null, at: number): void {
    this.samples.push({ at, value });
    this.samples = this.lastMinute(at).slice(-MAX_SAMPLES);
  }

  /** The highest of the last minute, of equal ones the last; `null` where there is none. */
  best(now: number): Best | null {
    let best: Best | null = null;
    for (const { at, value } of this.lastMinute(now)) {
      if (value !== null && value >= (best?.value ?? 0)) {
        best = { at, value };
      }
    }
    return best;
  }

  /** The minute from left to right, 0 at the lower edge and `top`, else the best, at the upper. */
  drawing(now: number, size: Size, top?: number): TrailDrawing {
    const best = this.best(now);
    const place = ({ at, value }: Best): { x: number; y: number } => ({
      x: size.width - MARGIN - ((now - at) / SPAN_MS) * (size.width - 2 * MARGIN),
      y: heightOf(value, top ?? best?.value ?? 1, size),
    });
    let line = "";
    let last: number | null = null;
    for (const { at, value } of this.lastMinute(now)) {
      if (value === null) {
        last = null;
        continue;
      }
      const { x, y } = place({ at, value });
      const isJoined = last !== null && at - last < this.gap;
      // A step of no length, or a lone value would be no line and so not seen.
      line += `${isJoined ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}${isJoined ? "" : "h0"}`;
      last = at;
    }
    return { line, best: best && place(best) };
  }

  private lastMinute(now: number): Sample[] {
    return this.samples.filter(({ at }) => now - at <= SPAN_MS);
  }
}
