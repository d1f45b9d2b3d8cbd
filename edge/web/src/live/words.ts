// The last result and the camera in words.

import { common } from "../catalogue/common";
import { local } from "../catalogue/format";
import { gate, live as wording } from "../catalogue/live";
import { language, say } from "../catalogue/phrase";
import type { Counts } from "../messages/checks";
import type { Cell, FieldMessage, Overlap, Quality } from "../messages/field";
import type { LiveMessage } from "../messages/live";
import { agoWords, type Saying, type Tone } from "../words";

export const probability = (p: number): string => local().decimal(p, 2);

/** Whoever focuses compares this figure with itself: as many decimals as are steady. */
export const focusFigure = (focus: number): string =>
  focus < 100 ? local().decimal(focus, 1) : local().integer(Math.round(focus));

export const countsWords = (c: Counts): string => say(wording.counts, c.cells, c.parasitized);

export function cellWords({ parasitized, p, countedBefore }: Cell): string {
  const label = say(parasitized ? common.parasitized : common.uninfected);
  return say(wording.cell, label, probability(p), countedBefore);
}

/** How wide the cells are, and what to do where that is too little for the model. */
export function cellSizeWords({ cellDiameter, objectiveTooLow }: Quality): string {
  if (cellDiameter === null) {
    return say(common.unknown);
  }
  return say(objectiveTooLow ? wording.tooFewPixels : wording.pixelsWide, Math.round(cellDiameter));
}

/** `counts` is what was seen in the field, `counted` what of it joined the slide. */
export function countedWords({ cells, counts, counted }: FieldMessage): string {
  if (counted.cells === counts.cells && counted.parasitized === counts.parasitized) {
    return say(wording.allJoined);
  }
  const joined = counted.cells === 0 ? say(wording.noneJoined) : say(wording.joined, countsWords(counted));
  const before = cells.filter((cell) => cell.countedBefore).length;
  return before === 0 ? joined : say(wording.joinedBefore, joined, before);
}

/** How the field lies to those before it; `null` where there is nothing to say. */
export function overlapWords(overlap: Overlap | null): string | null {
  if (!overlap) {
    return null;
  }
  if (overlap.share > 0) {
    return say(overlap.uncertain ? wording.seenShareUnsure : wording.seenShare, local().percent(overlap.share));
  }
  return overlap.uncertain ? say(wording.seenUnsure) : null;
}

const VERDICT_TONES: ReadonlyMap<string, Tone> = new Map([
  ["too_dark", "bad"],
  ["too_bright", "bad"],
  ["out_of_focus", "bad"],
  ["new", "good"],
]);

/** What the camera sees, in a word or two; `null` for a word of a newer board, whose reason says it. */
export function verdictWords({ camera, verdict }: LiveMessage): Saying | null {
  switch (camera) {
    case "lost":
      return { tone: "bad", text: say(wording.cameraLost) };
    case "paused":
      return { tone: "wait", text: say(wording.cameraPaused) };
    case "ended":
      return { tone: "wait", text: say(wording.cameraEnded) };
  }
  const known = gate.verdicts.get(verdict ?? "");
  return known ? { tone: VERDICT_TONES.get(verdict ?? "") ?? "wait", text: say(known) } : null;
}

/** What to do. The board's own sentence has its figures in it, but speaks English only. */
export function reasonWords({ camera, verdict, reason }: LiveMessage): { text: string; isEnglish: boolean } {
  const known = camera === "running" ? gate.reasons.get(verdict ?? "") : undefined;
  return language() === "en" || !known ? { text: reason, isEnglish: true } : { text: say(known), isEnglish: false };
}

/** Where a field's exposure is dim and where it is burnt out, unless the board judges it itself. */
export const DIM = 0.3;
export const BURNT_OUT = 0.98;

export function lightWords({ exposure, verdict }: LiveMessage): string {
  if (exposure === null) {
    return say(common.unknown);
  }
  const share = local().percent(exposure);
  if (verdict === "too_dark" || exposure < DIM) {
    return say(wording.lightDark, share);
  }
  return say(verdict === "too_bright" || exposure > BURNT_OUT ? wording.lightBurnt : wording.lightFine, share);
}

/** How near the focus is to the best of the last minute, `ago` milliseconds before. */
export function bestWords(focus: number | null, best: number, ago: number): string {
  return focus === null || best <= 0
    ? say(wording.best, focusFigure(best), agoWords(ago))
    : say(wording.bestAndNow, focusFigure(best), agoWords(ago), local().percent(focus / best));
}

/** A board without a set clock still says when, by a clock that may be years off. */
export function takenWords({ capturedAt, clockSynchronised }: FieldMessage): string {
  const time = local().time(capturedAt);
  return clockSynchronised === false ? say(wording.clockNotSet, time) : time;
}

/** Beyond it, a result that has just come is not of now, or one of the two clocks is wrong. */
const NOTABLE_LAG_MS = 10_000;

/** `age`: since it came to this page; `lag`: what the clocks say that it was under way, if both are set. */
export function receivedWords(age: number, lag: number | null): string {
  if (lag === null || Math.abs(lag) <= NOTABLE_LAG_MS) {
    return agoWords(age);
  }
  const seconds = Math.round(Math.abs(lag) / 1000);
  return say(lag > 0 ? wording.receivedLate : wording.clockAhead, agoWords(age), seconds);
}

/** Which of picture and result is ahead, and whether the boxes fit what is seen. */
export function pairWords(
  picture: { fieldId: string } | null,
  field: FieldMessage | null,
  latest: FieldMessage | null,
): string {
  if (!picture) {
    return latest ? say(wording.pictureToCome, latest.seq) : say(wording.waiting);
  }
  if (!field) {
    if (!latest) {
      return say(wording.resultToCome);
    }
    // Ids are UUIDv7: their order is the order in time.
    return say(picture.fieldId > latest.id ? wording.pictureNewer : wording.pictureOlder, latest.seq);
  }
  return latest && latest.id !== field.id
    ? say(wording.pairBehind, field.seq, latest.seq)
    : say(wording.pairOf, field.seq);
}
