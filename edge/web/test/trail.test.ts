import { describe, expect, it } from "vitest";

import { heightOf, Trail } from "../src/trail";

const SIZE = { width: 240, height: 72 };

function trail(samples: [number, number | null][]): Trail {
  const made = new Trail(3000);
  for (const [at, value] of samples) {
    made.add(value, at);
  }
  return made;
}

describe("the focus of the last minute", () => {
  it("has its best marked until it is a minute old", () => {
    const focusing = trail([[0, 10], [500, 50], [1000, 30]]);
    expect(focusing.best(1000)).toEqual({ at: 500, value: 50 });
    expect(focusing.best(60_500)).toEqual({ at: 500, value: 50 });
    expect(focusing.best(60_501)).toEqual({ at: 1000, value: 30 });
    expect(focusing.best(120_000)).toBeNull();
  });

  it("has the last of equal values as its best, also where all are 0", () => {
    expect(trail([[0, 5], [500, 5]]).best(500)).toEqual({ at: 500, value: 5 });
    expect(trail([[0, 0]]).best(0)).toEqual({ at: 0, value: 0 });
  });

  it("is drawn from left to right, the best highest and 0 lowest", () => {
    const { line, best } = trail([[0, 0], [500, 50], [1000, 25]]).drawing(60_000, SIZE);
    expect(line).toBe("M10.0 62.0h0L11.8 10.0L13.7 36.0");
    expect(best?.y).toBe(10);
    expect(best?.x).toBeCloseTo(11.83, 2);
  });

  it("is broken where there was no picture and where nobody told", () => {
    expect(trail([[0, 1], [500, null], [1000, 1]]).drawing(1000, SIZE).line.match(/M/g)).toHaveLength(2);
    expect(trail([[0, 1], [3000, 1]]).drawing(3000, SIZE).line.match(/M/g)).toHaveLength(2);
    expect(trail([[0, 1], [2999, 1]]).drawing(2999, SIZE).line.match(/M/g)).toHaveLength(1);
  });

  it("is drawn to a scale of its own where one is given", () => {
    expect(trail([[0, 0.5]]).drawing(0, SIZE, 1)).toEqual({ line: "M230.0 36.0h0", best: { x: 230, y: 36 } });
    expect(heightOf(1, 1, SIZE)).toBe(10);
  });

  it("is nothing without a figure, and finite where all are 0", () => {
    expect(trail([[0, null]]).drawing(0, SIZE)).toEqual({ line: "", best: null });
    expect(trail([[0, 0]]).drawing(0, SIZE)).toEqual({ line: "M230.0 62.0h0", best: { x: 230, y: 62 } });
  });

  it("stays small in a flood", () => {
    const flood = new Trail(3000);
    for (let i = 0; i < 5000; i += 1) {
      flood.add(i, i);
    }
    expect(flood.drawing(5000, SIZE).line.match(/[ML]/g)).toHaveLength(300);
  });
});
