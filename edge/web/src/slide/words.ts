// The slide in words.

import { local } from "../catalogue/format";
import { gate } from "../catalogue/live";
import { say, type Phrase } from "../catalogue/phrase";
import { slide as wording } from "../catalogue/slide";
import type { CoursePoint, Parasitemia, SlideMessage } from "../messages/slide";
import { milestones } from "./course";

/** So many decimals that estimate and interval can be told apart; both have the same, to be compared at a glance. */
export function decimalsFor(p: Parasitemia): number {
  const scale = p.percent > 0 ? p.percent : p.high;
  return scale >= 10 ? 1 : scale >= 0.1 ? 2 : 3;
}

export const percentWords = (p: Parasitemia): string => local().ofHundred(p.percent, decimalsFor(p));

const METHODS = new Map(Object.entries(wording.methods));

/** How the interval was made; what the page doesn't know is shown as the device calls it. */
export function methodWords(method: string): string {
  const known = METHODS.get(method);
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

/** The band in words, for those who don't see it. */
export function bandWords({ parasitemia, reviewed, corrected, detectionLimit }: SlideMessage): string {
  const row = (name: Phrase<string>, p: Parasitemia | null | undefined): string[] => {
    if (!p) {
      return [];
    }
    const decimals = decimalsFor(p);
    const { decimal } = local();
    return [say(wording.bandRow, say(name), percentWords(p), decimal(p.low, decimals), decimal(p.high, decimals))];
  };
  return [
    ...row(wording.byMachine, parasitemia),
    ...row(wording.byReviewer, reviewed?.parasitemia),
    ...row(wording.byCorrection, corrected),
    ...(detectionLimit ? [say(wording.limitMark, detectionLimit.percent)] : []),
  ].join("; ");
}

/** The course in words: where it stood a quarter and half of the way, and where it stands. */
export function courseWords(course: readonly CoursePoint[]): string {
  const { decimal } = local();
  const points = milestones(course).map((point) => {
    const decimals = decimalsFor(point);
    return say(
      wording.coursePoint,
      point.cells,
      percentWords(point),
      decimal(point.low, decimals),
      decimal(point.high, decimals),
    );
  });
  return say(wording.courseSays, points.join(", "));
}

const LEFT_OUT_CAUSES = new Map(Object.entries(wording.leftOutCauses));

/** A cause that the page doesn't know is shown as the device calls it. */
function causeWords(causes: ReadonlyMap<string, Phrase<string>>, cause: string): string {
  const known = causes.get(cause);
  return known ? say(known).toLocaleLowerCase() : cause;
}

export const leftOutWords = ({ leftOut }: SlideMessage): string[] =>
  leftOut.map(({ cells, fields, cause }) =>
    say(wording.leftOutValue, cells, fields, causeWords(LEFT_OUT_CAUSES, cause)),
  );

export const turnedAwayWords = ({ turnedAway }: SlideMessage): string[] =>
  turnedAway.map(({ frames, cause }) => say(wording.turnedAwayValue, frames, causeWords(gate.verdicts, cause)));
