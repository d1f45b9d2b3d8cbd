import { describe, expect, it } from "vitest";

import { drawBoxes } from "../src/draw";
import { cellAt, labelSpot, place, sameShape } from "../src/geometry";
import { parseField, type Cell, type FieldMessage } from "../src/messages/field";
import { bytes, DEVICE, fieldJson } from "./fixtures";

const field = { width: 640, height: 480 };

describe("scaling", () => {
  it("places a box on a smaller and on a larger drawing", () => {
    expect(place([10, 20, 30, 40], field, { width: 320, height: 240 })).toEqual([5, 10, 15, 20]);
    expect(place([10, 20, 30, 40], field, { width: 1280, height: 960 }, 2)).toEqual([18, 38, 64, 84]);
  });

  it("knows a picture that is only smaller from one of another shape", () => {
    expect(sameShape({ width: 1279, height: 959 }, field)).toBe(true);
    expect(sameShape({ width: 480, height: 640 }, field)).toBe(false);
    expect(sameShape({ width: 0, height: 0 }, field)).toBe(false);
  });
});

describe("the cell under the pointer", () => {
  const cell = (x: number): Cell => ({ bbox: [x, 0, 20, 20], parasitized: false, p: 0, countedBefore: false });
  const cells = [cell(0), cell(15), cell(100)];

  it("is none beside all boxes and on a box's far edge", () => {
    expect(cellAt(cells, 60, 10)).toBeNull();
    expect(cellAt(cells, 120, 10)).toBeNull();
  });

  it("is the nearer one where boxes overlap", () => {
    expect(cellAt(cells, 16, 10)).toBe(cells[0]);
    expect(cellAt(cells, 19, 10)).toBe(cells[1]);
  });
});

describe("the label of a cell", () => {
  const label = { width: 100, height: 20 };

  it("stands above the box's middle", () => {
    expect(labelSpot([200, 200, 40, 40], label, field)).toEqual({ x: 170, y: 172 });
  });

  it("goes below a box at the upper edge and stays inside at the sides", () => {
    expect(labelSpot([0, 0, 40, 40], label, field)).toEqual({ x: 0, y: 48 });
    expect(labelSpot([620, 200, 20, 40], label, field).x).toBe(540);
  });
});

describe("the boxes", () => {
  /** Records what is stroked, with the pen's state at that moment. */
  function pen(): { ctx: CanvasRenderingContext2D; strokes: { width: number; dashed: boolean; colour: string; x: number }[]; fills: number } {
    let x = Number.NaN;
    let dash: number[] = [];
    const out = { strokes: [] as { width: number; dashed: boolean; colour: string; x: number }[], fills: 0 };
    const ctx = {
      lineWidth: 1,
      strokeStyle: "",
      beginPath: () => undefined,
      roundRect: (left: number) => (x = left),
      moveTo: () => undefined,
      lineTo: () => undefined,
      closePath: () => undefined,
      setLineDash: (d: number[]) => (dash = d),
      stroke() {
        out.strokes.push({ width: this.lineWidth, dashed: dash.length > 0, colour: this.strokeStyle, x });
      },
      fill: () => (out.fills += 1),
    };
    return Object.assign(out, { ctx: ctx as unknown as CanvasRenderingContext2D });
  }

  const message = (): FieldMessage => {
    const parsed = parseField(bytes(fieldJson(1)), DEVICE);
    if (!parsed.ok) {
      throw new Error(parsed.reason);
    }
    return parsed.value;
  };

  it("tell a parasitized cell by width, dashes, colour and marker, and draw it last", () => {
    const { ctx, strokes } = pen();
    drawBoxes(ctx, message(), { width: 640, height: 480 }, [0, 0, 640, 480]);
    const [other, uninfected, halo, parasitized] = strokes;
    expect(other).toMatchObject({ x: 0, dashed: true, width: 1 });
    expect(uninfected).toMatchObject({ x: 100, dashed: false, width: 1 });
    expect(halo).toMatchObject({ x: 8, dashed: false });
    expect(parasitized).toMatchObject({ x: 8, dashed: true, width: 3 });
    expect(parasitized?.colour).not.toBe(uninfected?.colour);
  });

  it("tell a cell that was counted before by a thin dashed line and a marker that is not filled", () => {
    const recorded = pen();
    const before = message();
    before.others = [];
    for (const cell of before.cells) {
      cell.countedBefore = true;
    }
    drawBoxes(recorded.ctx, before, { width: 640, height: 480 }, [0, 0, 640, 480]);
    const [uninfected, parasitized, marker] = recorded.strokes;
    expect(uninfected).toMatchObject({ x: 100, dashed: true, width: 1 });
    expect(parasitized).toMatchObject({ x: 8, dashed: true, width: 1.5 });
    expect(parasitized?.colour).not.toBe(uninfected?.colour);
    expect(marker).toMatchObject({ dashed: false, width: 1.5 });
    expect(recorded.fills).toBe(0);
  });

  it("mark each parasitized cell once", () => {
    const recorded = pen();
    drawBoxes(recorded.ctx, message(), { width: 320, height: 240 }, [0, 0, 320, 240]);
    expect(recorded.fills).toBe(1);
  });

  it("are left away where they can't be seen", () => {
    const { ctx, strokes } = pen();
    drawBoxes(ctx, message(), { width: 1280, height: 960 }, [150, 0, 640, 480]);
    expect(strokes.map(({ x }) => x)).toEqual([200]);
  });
});
