import { describe, expect, it } from "vitest";

import { speak } from "../src/catalogue/phrase";
import { partOf } from "../src/cells/draw";
import { completeWords, decisionWords, intervalWords, noveltyWords, opinionWords, reasonWords, takenWords } from "../src/cells/words";
import { parseCellPage, type KeptCell } from "../src/messages/kept";
import { parseSlide, type Reviewed, type SlideMessage } from "../src/messages/slide";
import { cellJson, reviewedJson } from "./board-fixtures";
import { bytes, DEVICE, slideJson } from "./fixtures";

function cell(change: Record<string, unknown> = {}): KeptCell {
  const page = parseCellPage({ cells: [cellJson(1, change)], total: 1, more: false });
  if (!page.ok) {
    throw new Error(page.reason);
  }
  return page.value.cells[0]!;
}

const plain = (text: string): string => text.replace(/[\u00a0\u202f]/g, " ");

describe("a cell in words", () => {
  it("has the machine's opinion, and why it was kept", () => {
    expect(opinionWords(cell())).toBe("parasitized, p 0.99");
    expect(opinionWords(cell({ label: "uninfected", p_parasitized: 0.125 }))).toMatch(/^uninfected, p 0.1/);
    expect(reasonWords(cell({ reason: "threshold" }))).toBe("it is near the threshold");
    expect(reasonWords(cell({ reason: "brand_new" }))).toBe("brand_new");
  });

  it("has how unlike the others it is, where the board tells", () => {
    const novel = cell({ reason: "novel", novelty: 3.25 });
    expect([reasonWords(novel), noveltyWords(novel)]).toEqual(["it is unlike other cells", "3.3 times as unusual as a usual cell"]);
    speak("fr");
    expect([reasonWords(novel), noveltyWords(novel)]).toEqual([
      "elle est différente des autres hématies",
      "3,3 fois celle d’une hématie habituelle",
    ]);
    speak("en");
    expect(noveltyWords(cell())).toBe(null);
  });

  it("says so where the board's clock was not set", () => {
    expect(takenWords(cell())).not.toMatch(/clock/);
    expect(takenWords(cell({ clock_synchronised: false }))).toMatch(/; the board's clock was not set$/);
  });

  it("has its decision: none, under way, not kept, kept", () => {
    const decided = cell({ decision: { verdict: "uninfected", at: "2026-11-24T10:00:00Z", by: "Dr A." } });
    expect(decisionWords(cell(), null)).toBe(null);
    expect(decisionWords(cell(), { parasitized: true, by: null, why: null })).toEqual({
      tone: "wait",
      text: "parasitized (being sent)",
    });
    expect(decisionWords(decided, { parasitized: null, by: null, why: { is: "silent" } })).toEqual({
      tone: "bad",
      text: "withdrawn, NOT kept by the board",
    });
    expect(decisionWords(decided, null)).toMatchObject({ tone: "good" });
    expect(decisionWords(decided, null)?.text).toMatch(/^uninfected, 24 Nov.*, by Dr A\.$/);
  });
});

describe("the reviewed slide in words", () => {
  const parsed = parseSlide(bytes(slideJson({ parasitized: 6, reviewed: reviewedJson({ confirmed: 3, rejected: 1 }) })), DEVICE);
  const slide = (parsed.ok ? parsed.value : null) as SlideMessage;
  const reviewed = slide.reviewed as Reviewed;

  it("says how many are still to be looked at", () => {
    expect(completeWords(slide, reviewed)).toBe("2 cells that the machine called parasitized still to be looked at.");
    expect(completeWords(slide, { ...reviewed, complete: true })).toMatch(/^Complete/);
    // A count that has grown since: the board alone knows that it is not complete.
    expect(completeWords(slide, { ...reviewed, confirmed: 9 })).toMatch(/^1 cell /);
    speak("fr");
    expect(plain(completeWords(slide, reviewed))).toBe("Encore 2 hématies jugées parasitées par la machine à relire.");
    speak("en");
  });

  it("has the interval in as many decimals as the figure", () => {
    expect(plain(intervalWords({ percent: 2.5, low: 1.984, high: 3.15 }))).toBe("95 % interval 1.98 to 3.15 %");
  });
});

describe("the part of the picture that is shown", () => {
  const picture = { width: 120, height: 110 };

  it("is all of it, or the cell with a margin that stays inside", () => {
    expect(partOf(picture, [30, 30, 60, 50], false)).toEqual([0, 0, 120, 110]);
    expect(partOf(picture, [30, 30, 60, 50], true)).toEqual([18, 18, 84, 74]);
    expect(partOf(picture, [0, 80, 60, 30], true)).toEqual([0, 68, 72, 42]);
  });

  it("is all of it where the cell is said to lie outside", () => {
    expect(partOf(picture, [900, 900, 60, 50], true)).toEqual([0, 0, 120, 110]);
  });
});
