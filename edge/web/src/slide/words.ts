// The slide in words.

import { local } from "../catalogue/format";
import { say } from "../catalogue/phrase";
import { slide as wording } from "../catalogue/slide";
import type { Parasitemia, SlideMessage } from "../messages/slide";

/** So many decimals that estimate and interval can be told apart; both have the same, to be compared at a glance. */
export function decimalsFor(p: Parasitemia): number {
  const scale = p.percent > 0 ? p.percent : p.high;
  return scale >= 10 ? 1 : scale >= 0.1 ? 2 : 3;
}

export const percentWords = (p: Parasitemia): string => local().ofHundred(p.percent, decimalsFor(p));

/** How the interval was made; what the page doesn't know is shown as the device calls it. */
export function methodWords(method: string): string {
  const known = Object.hasOwn(wording.methods, method) ? wording.methods[method] : undefined;
  return known ? say(known) : method;
}

export function intervalWords(p: Parasitemia, method: string): string {
  const decimals = decimalsFor(p);
  const { decimal } = local();
  return say(wording.interval, decimal(p.low, decimals), decimal(p.high, decimals), methodWords(method));
}

export function stateWords({ state, counts, cellsNeeded }: SlideMessage): string {
  switch (state) {
    case "insufficient":
      return say(wording.insufficient, counts.cells, cellsNeeded);
    case "below_detection_limit":
      return say(wording.belowLimit, counts.cells);
    case "sufficient":
      return say(wording.sufficient, counts.cells, cellsNeeded);
  }
}

/** How many cells are still to be counted. */
export const toGo = ({ counts, cellsNeeded }: SlideMessage): number => Math.max(cellsNeeded - counts.cells, 0);
