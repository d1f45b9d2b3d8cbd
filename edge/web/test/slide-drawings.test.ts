import { describe, expect, it } from "vitest";

import type { CoursePoint } from "../src/messages/slide";
import { drawCourse, milestones } from "../src/slide/course";
import { Drafts, isTooLong, lengthOf } from "../src/slide/notes";
import { scaleFor } from "../src/slide/scale";
import { bandWords, courseWords, leftOutWords, turnedAwayWords } from "../src/slide/words";
import { parseSlide, parseWhichSlide } from "../src/messages/slide";
import { bytes, DEVICE, slideJson } from "./fixtures";

const point = (fields: number, percent: number, width: number): CoursePoint => ({
  fields,
  cells: fields * 100,
  parasitized: fields,
  percent,
  low: Math.max(percent - width, 0),
  high: percent + width,
});

const COURSE = [point(1, 4, 20), point(10, 2, 2), point(20, 1.5, 0.8), point(40, 1.6, 0.5)];
const SIZE = { width: 600, height: 200 };
const MARGINS = { left: 40, right: 10, top: 10, bottom: 40 };

describe("a scale", () => {
  it.each([
    [2.2, 5, [0, 0.5, 1, 1.5, 2, 2.5], 1],
    [0.07, 5, [0, 0.02, 0.04, 0.06, 0.08], 2],
    [100, 5, [0, 20, 40, 60, 80, 100], 0],
    [10_210, 5, [0, 2500, 5000, 7500, 10_000, 12_500], 0],
    [1.1, 5, [0, 0.25, 0.5, 0.75, 1, 1.25], 2],
  ])("up to %d has round steps", (value, wanted, ticks, decimals) => {
    expect(scaleFor(value, wanted)).toEqual({ top: ticks.at(-1), ticks, decimals });
  });

  it("of nothing is a scale all the same", () => {
    const { top, ticks } = scaleFor(0);
    expect(top).toBeGreaterThan(0);
    expect(ticks[0]).toBe(0);
  });
});

describe("the course", () => {
  it("goes from left to right, up to the cells needed", () => {
    const drawn = drawCourse(COURSE, 5000, null, SIZE, MARGINS)!;
    expect(drawn.x.top).toBe(5000);
    expect(drawn.left(0)).toBe(40);
    expect(drawn.left(5000)).toBe(590);
    expect(drawn.line).toMatch(/^M51\.0 [\d.]+L150\.0 [\d.]+L260\.0 [\d.]+L480\.0 [\d.]+$/);
    expect(drawn.band.match(/[ML]/g)).toHaveLength(8);
  });

  it("is not pressed to the ground by the first cells, whose interval ends at the edge", () => {
    const drawn = drawCourse(COURSE, 5000, null, SIZE, MARGINS)!;
    expect(drawn.y.top).toBe(4);
    expect(drawn.height(24)).toBe(10);
  });

  it("has room for the limit of detection", () => {
    expect(drawCourse(COURSE, 5000, 9, SIZE, MARGINS)!.y.top).toBeGreaterThanOrEqual(9);
  });

  it("is nothing before there are two points, or room for it", () => {
    expect(drawCourse([], 5000, null, SIZE, MARGINS)).toBeNull();
    expect(drawCourse(COURSE.slice(0, 1), 5000, null, SIZE, MARGINS)).toBeNull();
    expect(drawCourse(COURSE, 5000, null, { width: 20, height: 200 }, MARGINS)).toBeNull();
  });

  it("is told by where it stood on the way, each point once", () => {
    expect(milestones(COURSE).map(({ fields }) => fields)).toEqual([10, 20, 40]);
    expect(milestones(COURSE.slice(0, 1))).toHaveLength(1);
    expect(milestones([])).toEqual([]);
    expect(courseWords(COURSE)).toContain("after 4,000 cells 1.60 % (1.10 to 2.10 %)");
  });
});

describe("the slide's drawings and lists in words", () => {
  const slide = (change: Record<string, unknown>) => {
    const parsed = parseSlide(bytes(slideJson(change)), DEVICE);
    if (!parsed.ok) {
      throw new Error(parsed.reason);
    }
    return parsed.value;
  };

  it("name each band and the limit", () => {
    const reviewed = {
      confirmed: 4,
      rejected: 2,
      found: 1,
      agreed: 0,
      parasitized: 5,
      parasitemia: { percent: 0.4, low: 0.2, high: 0.9 },
      complete: true,
    };
    const falsePositives = { percent: 0.8, low: 0.5, high: 1.3, cells: 2123, dataset: "test" };
    const detection_limit = { percent: 1.5, is_above: false, false_positives: falsePositives };
    expect(bandWords(slide({ reviewed, detection_limit }))).toBe(
      "Machine: 0.48 %, 95 % interval 0.22 to 1.05 %; Reviewed: 0.40 %, 95 % interval 0.20 to 0.90 %; detection limit 1.50 %",
    );
    expect(bandWords(slide({ parasitemia: null, cells: 0, parasitized: 0 }))).toBe("");
  });

  it("name causes, and leave those of a newer board as they are", () => {
    const left_out = [{ cause: "crowded", fields: 2, cells: 611 }, { cause: "constructor", fields: 1, cells: 1 }];
    expect(leftOutWords(slide({ left_out }))).toEqual([
      "611 cells of 2 fields: too crowded",
      "1 cell of 1 field: constructor",
    ]);
    const turned_away = [{ cause: "moving", frames: 812 }, { cause: "upside_down", frames: 1 }];
    expect(turnedAwayWords(slide({ turned_away }))).toEqual(["812 pictures: moving", "1 picture: upside_down"]);
  });

  it("read what a newer board adds, and refuse what it can't be", () => {
    const point_ = { fields: 1, cells: 80, parasitized: 2, percent: 2.5, low: 0.7, high: 8.7 };
    const recent = [{ seq: 7, cells: 80, parasitized: 2, focus: 48.5 }];
    expect(slide({ notes: "pale", course: [point_], recent })).toMatchObject({
      notes: "pale",
      course: [point_],
      recent: [{ seq: 7, counts: { cells: 80, parasitized: 2 }, focus: 48.5 }],
      reviewed: null,
    });
    expect(slide({})).toMatchObject({ notes: null, course: [], recent: [], reviewed: null, closedAt: null });
    const said = (change: Record<string, unknown>): string => {
      const parsed = parseSlide(bytes(slideJson(change)), DEVICE);
      return parsed.ok ? "accepted" : parsed.reason;
    };
    expect(said({ course: Array.from({ length: 65 }, () => point_) })).toContain("at most 64");
    expect(said({ recent: Array.from({ length: 25 }, () => recent[0]) })).toContain("at most 24");
    expect(said({ notes: "x".repeat(2001) })).toContain("notes");
    expect(said({ course: [{ ...point_, percent: 101 }] })).toContain("course[0].percent");
    expect(said({ reviewed: { confirmed: 1 } })).toContain("reviewed.rejected");
  });

  it("read which slide a command meant", () => {
    expect(parseWhichSlide({ slide: "ward-3_18" })).toEqual({ ok: true, value: "ward-3_18" });
    expect(parseWhichSlide({ slide: "../x" }).ok).toBe(false);
  });
});

describe("notes", () => {
  it("are counted as the board counts them", () => {
    expect(lengthOf("é😀")).toBe(2);
    expect(isTooLong("😀".repeat(1000))).toBe(false);
    expect(isTooLong("x".repeat(1001))).toBe(true);
  });

  it("that are not saved stay with their slide", () => {
    const drafts = new Drafts();
    expect(drafts.of("a", "saved")).toEqual({ text: "saved", isSaved: true });
    drafts.write("a", "more");
    expect(drafts.of("a", "saved")).toEqual({ text: "more", isSaved: false });
    expect(drafts.of("b", "")).toEqual({ text: "", isSaved: true });
    expect(drafts.of("a", "more").isSaved).toBe(true);
    drafts.drop("a");
    expect(drafts.of("a", "of another page").text).toBe("of another page");
  });
});
