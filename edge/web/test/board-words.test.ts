import { describe, expect, it } from "vitest";

import { pongWords } from "../src/board/commands-card";
import { awayWords, bytesWords, cameraWords, driftWords, judgedWords, measureWords, seenWords, stateWords, updateWords } from "../src/board/words";
import { board, wordOf } from "../src/catalogue/board";
import { drift } from "../src/catalogue/drift";
import { say, speak } from "../src/catalogue/phrase";
import type { Drift } from "../src/messages/health";
import { parseModel, type ModelMessage } from "../src/messages/model";
import { modelJson, updateJson } from "./board-fixtures";
import { BOOT, bytes, DEVICE } from "./fixtures";

const plain = (text: string): string => text.replace(/[\u00a0\u202f]/g, " ");

function model(change: Record<string, unknown>): ModelMessage {
  const parsed = parseModel(bytes(modelJson(change)), DEVICE);
  if (!parsed.ok) {
    throw new Error(parsed.reason);
  }
  return parsed.value;
}

describe("sizes and durations", () => {
  it("are told in the unit that fits", () => {
    expect([0, 999, 21_504, 1_234_567, 20e9, 5e13].map((n) => plain(bytesWords(n)))).toEqual([
      "0 B",
      "999 B",
      "22 kB",
      "1.2 MB",
      "20 GB",
      "50,000 GB",
    ]);
    speak("fr");
    expect(plain(bytesWords(1_234_567))).toBe("1,2 Mo");
    speak("en");
  });

  it("have their two largest parts", () => {
    const words = [0, 59, 60, 3600, 3 * 86_400 + 7200 + 59].map((s) => plain(say(board.duration, s)));
    expect(words).toEqual(["0 s", "59 s", "1 min 0 s", "1 h 0 min", "3 d 2 h"]);
  });
});

describe("a board's state", () => {
  it("is only what it was where this page hears nothing", () => {
    expect(stateWords("online", true)).toEqual({ tone: "good", text: "online" });
    expect(stateWords("online", false)).toEqual({ tone: "wait", text: "was online" });
  });

  it("says why there are no commands, and whose fault that is", () => {
    expect(awayWords("online", true)).toBeNull();
    expect(awayWords("offline", true)).toContain("not online");
    expect(awayWords("online", false)).toContain("no connection to the broker");
  });
});

describe("a word of a newer board", () => {
  it("is shown as it is, and is no way into the catalogue's own", () => {
    expect(cameraWords("lost")).toEqual({ tone: "bad", text: "lost" });
    expect(cameraWords("asleep")).toEqual({ tone: "wait", text: "asleep" });
    expect(say(wordOf(board.cameras, "constructor"))).toBe("constructor");
  });
});

describe("when a board was heard", () => {
  it("says whose clock tells it", () => {
    expect(seenWords({ by: "page", at: 1000 }, 61_000)).toBe("1 min ago");
    expect(seenWords({ by: "board", at: new Date(2026, 10, 24, 9, 15) }, 0)).toMatch(/24 Nov.*board clock/);
    expect(seenWords(null, 0)).toMatch(/^not heard since/);
  });
});

describe("a model under way", () => {
  it("is told with how far it is", () => {
    expect(updateWords(model({}))).toBe(null);
    const receiving = model({ update: { ...updateJson("receiving"), received: 1_457_300 } });
    expect(updateWords(receiving)?.text.replace(/\s/g, " ")).toBe("receiving, 10 %");
    const watch = { cells: 412, cells_needed: 500, share: null, share_before: null };
    expect(updateWords(model({ update: updateJson("watching"), watch }))?.text).toBe("watched: 412 of 500 cells");
    expect(updateWords(model({ update: updateJson("refused") }))).toEqual({ tone: "bad", text: "refused" });
    expect(updateWords(model({ update: updateJson("brand_new") }))).toEqual({ tone: "wait", text: "brand_new" });
  });
});

describe("the model and the slides", () => {
  const judged = (state: string): Drift => ({ state, fields: 12, cells: 1034, measures: [] });

  it("fit or not, as far as can be told", () => {
    expect(driftWords(judged("fits"))).toEqual({ tone: "good", text: "yes" });
    expect(driftWords(judged("drifted"))).toEqual({ tone: "wait", text: "no longer" });
    expect(driftWords(judged("too_few"))).toEqual({ tone: "wait", text: "too early to tell" });
    expect(driftWords(judged("brand_new"))).toEqual({ tone: "wait", text: "brand_new" });
    expect(judgedWords(judged("fits"))).toBe("Judged from 1,034 cells of 12 fields.");
    expect(judgedWords(judged("too_few"))).toBe("1,034 cells were seen so far: too few to judge from.");
    speak("fr");
    expect(plain(judgedWords(judged("drifted")))).toBe("Jugé sur 1 034 hématies de 12 champs.");
    expect(plain(judgedWords({ ...judged("too_few"), cells: 1 }))).toBe("1 hématie vue jusqu’ici : trop peu pour juger.");
    speak("en");
  });

  it.each([
    [152.34, 120.1, 190, "152.3", "120.1 to 190.0"],
    [0.0123, 0.004, 0.0311, "0.0123", "0.0040 to 0.0311"],
    [1234.5, 1000, 2500, "1,235", "1,000 to 2,500"],
    [1e-9, 0, 1e-8, "0.0000", "0.0000 to 0.0000"],
    [7.5, 7, 7, "7.50", "7.00 to 7.00"],
    [0, 0, 0, "0", "0 to 0"],
    [-3, -2.5, 2.5, "-3.00", "-2.50 to 2.50"],
  ])("a measure of %d, usually %d to %d, is told with as many decimals as tell them apart", (value, low, high, ...said) => {
    const words = measureWords({ name: "contrast", value, low, high, isOut: false });
    expect([words.value, words.range]).toEqual(said);
  });

  it("have a name and a kind for each measure", () => {
    expect(Object.keys(drift.kinds)).toEqual(Object.keys(drift.measures));
    expect(say(wordOf(drift.measures, "smell"))).toBe("smell");
  });
});

describe("a ping", () => {
  const pong = (at: number) => ({ version: "0.2.0", at: new Date(at), uptimeS: 60, bootId: BOOT });

  it("tells its way, and a clock that is off", () => {
    const now = Date.UTC(2026, 10, 24);
    expect(plain(pongWords(pong(now - 20), 43.4, now))).toBe("Answered after 43 ms; running for 1 min 0 s.");
    expect(pongWords(pong(now + 5000), 40, now)).toMatch(/clock is 5 seconds ahead of this computer's\.$/);
    expect(pongWords(pong(now - 3600_000), 40, now)).toMatch(/clock is 3,600 seconds behind this computer's\.$/);
  });
});
