// A cell under review in words.

import { wordOf } from "../catalogue/board";
import { common } from "../catalogue/common";
import { local } from "../catalogue/format";
import { say } from "../catalogue/phrase";
import { review as wording } from "../catalogue/review";
import { probability } from "../live/words";
import type { KeptCell } from "../messages/kept";
import type { Parasitemia, Reviewed, SlideMessage } from "../messages/slide";
import { decimalsFor } from "../slide/words";
import type { Saying } from "../words";
import type { Parcel } from "./outbox";

const labelWords = (parasitized: boolean): string => say(parasitized ? common.parasitized : common.uninfected);

export const verdictWords = (parasitized: boolean | null): string =>
  parasitized === null ? say(wording.withdrawn) : labelWords(parasitized);

export const opinionWords = ({ parasitized, p }: KeptCell): string =>
  say(wording.opinionOf, labelWords(parasitized), probability(p));

export function takenWords({ capturedAt, clockSynchronised }: KeptCell): string {
  const time = local().time(capturedAt);
  return clockSynchronised === false ? say(wording.clockNotSet, time) : time;
}

export const reasonWords = ({ reason }: KeptCell): string => say(wordOf(wording.reasons, reason));

/** How unlike the others it is; `null` where the board doesn't tell. */
export const noveltyWords = ({ novelty }: KeptCell): string | null =>
  novelty === null ? null : say(wording.noveltyOf, novelty);

/** What stands of a cell, and whether the board has it; `null` where that is nothing. */
export function decisionWords({ decision }: KeptCell, parcel: Parcel | null): Saying | null {
  if (parcel?.why) {
    return { tone: "bad", text: say(wording.notKept, verdictWords(parcel.parasitized)) };
  }
  if (parcel) {
    return { tone: "wait", text: say(wording.sending, verdictWords(parcel.parasitized)) };
  }
  return (
    decision && {
      tone: "good",
      text: say(wording.keptAt, labelWords(decision.parasitized), local().time(decision.at), decision.by),
    }
  );
}

export function intervalWords(p: Parasitemia): string {
  const decimals = decimalsFor(p);
  return say(wording.interval, local().decimal(p.low, decimals), local().decimal(p.high, decimals));
}

/** Whether all that the machine called parasitized was looked at, or how many are left. */
export function completeWords({ counts }: SlideMessage, { confirmed, rejected, complete }: Reviewed): string {
  const left = Math.max(counts.parasitized - confirmed - rejected, 1);
  return complete ? say(wording.complete) : say(wording.incomplete, left);
}
