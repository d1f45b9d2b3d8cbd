import { describe, expect, it } from "vitest";

import { enlarged, fieldPoint, MAX_ZOOM, panned, resized, WHOLE, zoomed } from "../src/live/viewport";

const STAGE = { width: 800, height: 600 };

describe("the part of the picture that is seen", () => {
  it("grows around the point that is pointed at", () => {
    const view = zoomed(WHOLE, 2, { x: 200, y: 150 }, STAGE);
    expect(view).toEqual({ zoom: 2, x: 200, y: 150 });
    expect(zoomed(view, 0.5, { x: 200, y: 150 }, STAGE)).toEqual(WHOLE);
    expect(enlarged(STAGE, view)).toEqual({ width: 1600, height: 1200 });
  });

  it("is never less than the whole, nor beyond what helps", () => {
    expect(zoomed(WHOLE, 0.1, { x: 0, y: 0 }, STAGE)).toEqual(WHOLE);
    expect(zoomed(WHOLE, 1000, { x: 0, y: 0 }, STAGE).zoom).toBe(MAX_ZOOM);
  });

  it("stays within the picture", () => {
    const view = zoomed(WHOLE, 2, { x: 0, y: 0 }, STAGE);
    expect(panned(view, -50, 5000, STAGE)).toEqual({ zoom: 2, x: 0, y: 600 });
    expect(panned(WHOLE, 10, 10, STAGE)).toEqual(WHOLE);
  });

  it("is the same part on a stage of another size", () => {
    const view = { zoom: 2, x: 400, y: 300 };
    expect(resized(view, STAGE, { width: 400, height: 300 })).toEqual({ zoom: 2, x: 200, y: 150 });
    expect(resized(WHOLE, { width: 0, height: 0 }, STAGE)).toEqual(WHOLE);
  });

  it("tells the point of the field under a point of the stage", () => {
    const field = { width: 1280, height: 960 };
    expect(fieldPoint({ x: 400, y: 300 }, WHOLE, STAGE, field)).toEqual({ x: 640, y: 480 });
    expect(fieldPoint({ x: 0, y: 0 }, { zoom: 2, x: 800, y: 600 }, STAGE, field)).toEqual({ x: 640, y: 480 });
  });
});
