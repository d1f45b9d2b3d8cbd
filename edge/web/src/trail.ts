// The focus of the last minute. Whoever turns the knob looks for the peak of this figure, and knows
// that it was one only after having turned too far.

import type { Size } from "./geometry";

const SPAN_MS = 60_000;

/** At two messages a second a minute has 120; a flood must not fill the memory. */
const MAX_SAMPLES = 300;

/** Room for the mark above the peak and for the width of the line. */
const MARGIN = 10;

interface Sample {
  at: number;
  focus: number | null;
}

export interface Best {
  at: number;
  focus: number;
}

/** The way of an SVG path, and where on it the best value is. */
export interface TrailDrawing {
  line: string;
  best: { x: number; y: number } | null;
}

export class Trail {
  private samples: Sample[] = [];

  /** What lies further apart than `gap` milliseconds is not joined by a line. */
  constructor(private readonly gap: number) {}

  /** `null`: there was no picture, which ends the line. */
  add(focus: number | null, at: number): void {
    this.samples.push({ at, focus });
    this.samples = this.lastMinute(at).slice(-MAX_SAMPLES);
  }

  /** The highest of the last minute, of equal ones the last; `null` where there is none. */
  best(now: number): Best | null {
    let best: Best | null = null;
    for (const { at, focus } of this.lastMinute(now)) {
      if (focus !== null && focus >= (best?.focus ?? 0)) {
        best = { at, focus };
      }
    }
    return best;
  }

  /** The minute from left to right, 0 at the lower edge and the best at the upper. */
  drawing(now: number, size: Size): TrailDrawing {
    const best = this.best(now);
    const scale = (size.height - 2 * MARGIN) / (best?.focus || 1);
    const place = ({ at, focus }: Best): { x: number; y: number } => ({
      x: size.width - MARGIN - ((now - at) / SPAN_MS) * (size.width - 2 * MARGIN),
      y: size.height - MARGIN - focus * scale,
    });
    let line = "";
    let last: number | null = null;
    for (const { at, focus } of this.lastMinute(now)) {
      if (focus === null) {
        last = null;
        continue;
      }
      const { x, y } = place({ at, focus });
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
