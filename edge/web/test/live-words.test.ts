import { afterEach, describe, expect, it } from "vitest";

import { speak } from "../src/catalogue/phrase";
import * as words from "../src/live/words";
import { parseField, type FieldMessage } from "../src/messages/field";
import { parseLive, type LiveMessage } from "../src/messages/live";
import { bytes, DEVICE, fieldJson, liveJson } from "./fixtures";

function field(counted: { cells: number; parasitized: number }, change: Record<string, unknown> = {}): FieldMessage {
  const parsed = parseField(bytes(fieldJson(1, { counted, ...change })), DEVICE);
  if (!parsed.ok) {
    throw new Error(parsed.reason);
  }
  return parsed.value;
}

function live(change: Record<string, unknown> = {}): LiveMessage {
  const parsed = parseLive(bytes(liveJson(change)), DEVICE);
  if (!parsed.ok) {
    throw new Error(parsed.reason);
  }
  return parsed.value;
}

afterEach(() => speak("en"));

describe("the size of the cells", () => {
  const quality = { focus: 1, exposure: 1, crowded: false, cellDiameter: 79.6, objectiveTooLow: false };

  it("is told in pixels", () => {
    expect(words.cellSizeWords(quality)).toBe("80 pixels wide");
  });

  it("says what to do where it is too little for the model", () => {
    const low = words.cellSizeWords({ ...quality, cellDiameter: 20.6, objectiveTooLow: true });
    expect(low).toMatch(/^only 21 pixels wide, too few for the model: use a stronger objective/);
  });

  it("is not known without cells, nor from a board too old to say it", () => {
    expect(words.cellSizeWords({ ...quality, cellDiameter: null })).toBe("not known");
    const old = parseField(bytes(fieldJson(1, { quality: { focus: 1, exposure: 1, crowded: false } })), DEVICE);
    expect(old.ok && old.value.quality.cellDiameter).toBe(null);
    expect(old.ok && old.value.quality.objectiveTooLow).toBe(false);
  });
});

describe("the field", () => {
  it("says what of it was counted", () => {
    expect(words.countedWords(field({ cells: 2, parasitized: 1 }))).toBe("all joined the slide's count");
    expect(words.countedWords(field({ cells: 0, parasitized: 0 }))).toBe("none joined the slide's count");
    expect(words.countedWords(field({ cells: 1, parasitized: 0 }))).toBe("1 red cell, 0 parasitized joined the slide's count");
  });

  it("says how many cells a field before had already", () => {
    const cells = [
      { bbox: [10, 20, 30, 40], label: "parasitized", p_parasitized: 0.75, counted_before: true },
      { bbox: [100, 20, 30, 40], label: "uninfected", p_parasitized: 0.05 },
    ];
    const repeated = field({ cells: 1, parasitized: 0 }, { cells });
    expect(words.countedWords(repeated)).toBe(
      "1 red cell, 0 parasitized joined the slide's count; 1 was counted in a field before",
    );
    expect(repeated.cells.map(words.cellWords)).toEqual([
      "parasitized · p 0.75 · counted before",
      "uninfected · p 0.05",
    ]);
  });

  it("says how it overlaps, and when that is not certain", () => {
    expect(words.overlapWords(null)).toBeNull();
    expect(words.overlapWords({ share: 0, uncertain: false })).toBeNull();
    expect(words.overlapWords({ share: 0.25, uncertain: false })).toBe("25 % of it was seen in a field before");
    for (const share of [0, 0.25]) {
      expect(words.overlapWords({ share, uncertain: true })).toContain("cells may be counted twice");
    }
  });

  it("says that its time is by a clock that is not set, and only then", () => {
    const at = (clock_synchronised: unknown): string =>
      words.takenWords(field({ cells: 2, parasitized: 1 }, { clock_synchronised }));
    expect(at(false)).toMatch(/^2 Jan.*; the board's clock is not set$/);
    expect(at(true)).not.toContain("clock");
    expect(at(null)).not.toContain("clock");
    expect(words.receivedWords(3000, null)).toBe("3 s ago");
  });

  it("says when a result was long under way or a clock is wrong", () => {
    expect(words.receivedWords(3000, 9_000)).toBe("3 s ago");
    expect(words.receivedWords(0, 15_000)).toBe("just now, 15 s after it was taken");
    expect(words.receivedWords(0, -120_000)).toBe("just now; the device's clock is 120 s ahead of this computer's");
  });
});

describe("the camera now", () => {
  it.each([
    ["blank", "wait"],
    ["too_dark", "bad"],
    ["too_bright", "bad"],
    ["out_of_focus", "bad"],
    ["moving", "wait"],
    ["crowded", "wait"],
    ["seen_before", "wait"],
    ["new", "good"],
  ])("has words for %s", (verdict, tone) => {
    expect(words.verdictWords(live({ verdict }))).toMatchObject({ tone, text: expect.stringMatching(/^[A-Z][a-z ]+$/) });
  });

  it("leaves a verdict of a newer board to its reason", () => {
    for (const verdict of ["upside_down", "constructor", null]) {
      expect(words.verdictWords(live({ verdict }))).toBeNull();
    }
  });

  it("says first that there is no camera", () => {
    expect(words.verdictWords(live({ camera: "lost", verdict: "new" }))).toEqual({ tone: "bad", text: "Camera lost" });
  });

  it.each([
    [0.29, null, "too dark, 29 % of full scale"],
    [0.3, null, "fine, 30 % of full scale"],
    [0.875, "new", "fine, 88 % of full scale"],
    [0.35, "too_dark", "too dark, 35 % of full scale"],
    [0.99, null, "burnt out, 99 % of full scale"],
    [0.97, "too_bright", "burnt out, 97 % of full scale"],
    [null, null, "not known"],
  ])("has the light %s under the verdict %s in words", (exposure, verdict, said) => {
    expect(words.lightWords(live({ exposure, verdict }))).toBe(said);
  });

  it("tells how near the focus is to its best", () => {
    expect(words.bestWords(12.5, 50, 8000)).toBe("Best of the last minute: 50.0, 8 s ago; now 25 % of it");
    expect(words.bestWords(null, 50, 8000)).toBe("Best of the last minute: 50.0, 8 s ago");
    expect(words.bestWords(0, 0, 0)).toBe("Best of the last minute: 0.0, just now");
    expect(words.focusFigure(1234.5)).toBe("1,235");
  });

  it("gives the board's own reason, and in French what the page knows of it", () => {
    const moving = live({ verdict: "moving", reason: "Moving, by 12 pixels: hold still." });
    expect(words.reasonWords(moving)).toEqual({ text: "Moving, by 12 pixels: hold still.", isEnglish: true });
    speak("fr");
    expect(words.reasonWords(moving)).toMatchObject({ text: expect.stringContaining("immobile"), isEnglish: false });
    const unknown = live({ verdict: "upside_down", reason: "The slide lies upside down." });
    expect(words.reasonWords(unknown)).toEqual({ text: "The slide lies upside down.", isEnglish: true });
    const lost = live({ camera: "lost", verdict: "moving", reason: "The camera is unplugged." });
    expect(words.reasonWords(lost).text).toBe("The camera is unplugged.");
  });
});

describe("in French", () => {
  it("counts as French does, where none is one too", () => {
    speak("fr");
    expect(words.countsWords({ cells: 0, parasitized: 0 })).toBe("0 hématie, 0 parasitée");
    expect(words.countsWords({ cells: 1, parasitized: 1 })).toBe("1 hématie, 1 parasitée");
    expect(words.countsWords({ cells: 1240, parasitized: 6 })).toBe("1\u202f240 hématies, 6 parasitées");
    expect(words.lightWords(live({ exposure: 0.875 }))).toBe("bonne, 88\u00a0% de la pleine échelle");
    expect(words.probability(0.754)).toBe("0,75");
  });
});
