import { afterEach, describe, expect, it } from "vitest";

import { speak } from "../src/catalogue/phrase";
import { parseSlide, type SlideMessage } from "../src/messages/slide";
import * as words from "../src/slide/words";
import { bytes, DEVICE, slideJson } from "./fixtures";

function slide(change: Record<string, unknown> = {}): SlideMessage {
  const parsed = parseSlide(bytes(slideJson(change)), DEVICE);
  if (!parsed.ok) {
    throw new Error(parsed.reason);
  }
  return parsed.value;
}

afterEach(() => speak("en"));

describe("the slide", () => {
  it("says how many cells are missing", () => {
    expect(words.stateWords(slide())).toBe("insufficient: 1,240 of 5,000 cells counted");
    expect(words.stateWords(slide({ state: "sufficient", cells: 5120 }))).toBe("sufficient: 5,120 cells counted, 5,000 needed");
    expect(words.stateWords(slide({ state: "below_detection_limit", cells: 5120 }))).toMatch(/^below the detection limit: 5,120/);
    expect(words.toGo(slide())).toBe(3760);
    expect(words.toGo(slide({ cells: 5120 }))).toBe(0);
  });

  it("gives estimate and interval the same decimals", () => {
    const low = { percent: 0.4839, low: 0.2218, high: 1.0523 };
    expect(words.percentWords(low)).toBe("0.48 %");
    expect(words.intervalWords(low, "wilson")).toBe("95 % interval 0.22 to 1.05 % (Wilson)");
    expect(words.intervalWords({ percent: 12.34, low: 9.9, high: 15 }, "exact")).toBe("95 % interval 9.9 to 15.0 % (exact)");
    const none = { percent: 0, low: 0, high: 0.0767 };
    expect(words.percentWords(none)).toBe("0.000 %");
    expect(words.intervalWords(none, "constructor")).toBe("95 % interval 0.000 to 0.077 % (constructor)");
  });

  it("speaks French with a comma", () => {
    speak("fr");
    expect(words.percentWords({ percent: 0.4839, low: 0.2218, high: 1.0523 })).toBe("0,48\u00a0%");
    expect(words.stateWords(slide())).toBe("insuffisant\u00a0: 1\u202f240 hématies comptées sur 5\u202f000");
  });
});
