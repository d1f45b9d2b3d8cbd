// All that the slide's message says in figures, for who wants to know how the figure came about.

import type { ComponentChildren } from "preact";

import { board } from "../catalogue/board";
import { local } from "../catalogue/format";
import { say } from "../catalogue/phrase";
import { slide as wording } from "../catalogue/slide";
import { focusFigure } from "../live/words";
import type { SlideMessage } from "../messages/slide";
import { Facts } from "../ui/facts";
import { intervalWords, leftOutWords, percentWords, turnedAwayWords } from "./words";

function lines(texts: readonly string[]): ComponentChildren {
  return texts.length === 0 ? null : texts.map((text) => <p key={text}>{text}</p>);
}

export function DetailsCard({ slide, device }: { slide: SlideMessage; device: string }) {
  const { counts, perMicrolitre: perUl, corrected, detectionLimit: limit, focus } = slide;
  return (
    <section class="card details-card" aria-labelledby="details-title">
      <div class="head">
        <h2 id="details-title">{say(wording.details)}</h2>
      </div>
      <Facts
        facts={[
          [wording.parasitized, say(wording.ofRedCells, counts.parasitized, counts.cells)],
          [wording.fields, local().integer(slide.fields)],
          [
            wording.perMicrolitre,
            perUl && lines([
              say(wording.perMicrolitreValue, perUl.count, perUl.low, perUl.high),
              say(wording.perMicrolitreFrom, perUl.redCells, perUl.corrected),
            ]),
          ],
          [wording.corrected, corrected && `${percentWords(corrected)}, ${intervalWords(corrected, slide.interval)}`],
          [
            wording.limit,
            limit && lines([
              say(wording.limitValue, limit.percent, limit.above),
              say(wording.falsePositives, limit.falsePositives.percent, limit.dataset),
            ]),
          ],
          [
            wording.designEffect,
            slide.designEffect === null ? null : say(wording.designEffectValue, slide.designEffect),
          ],
          [wording.focus, focus && say(wording.focusValue, focusFigure(focus.mean), focusFigure(focus.min))],
          [wording.leftOut, lines(leftOutWords(slide))],
          [wording.turnedAway, lines(turnedAwayWords(slide))],
          [wording.models, lines(slide.models.map((m) => say(wording.modelValue, m.name, m.version, m.cells)))],
          [wording.started, local().dateTime(slide.startedAt)],
          [wording.ended, slide.closedAt && local().dateTime(slide.closedAt)],
          [wording.duration, slide.duration === null ? null : say(board.duration, slide.duration)],
          [wording.device, device],
        ]}
      />
      {slide.clockSynchronised === false && <p class="caution">{say(wording.clockNotSet)}</p>}
    </section>
  );
}
