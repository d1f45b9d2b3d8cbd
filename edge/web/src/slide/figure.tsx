// The slide's figure, how sure it is, and how far the count is.

import type { ComponentChildren } from "preact";

import { local } from "../catalogue/format";
import { say } from "../catalogue/phrase";
import { slide as wording } from "../catalogue/slide";
import type { SlideMessage } from "../messages/slide";
import { intervalWords, percentWords, stateWords, toGo } from "./words";

/** `children` stand between the interval and the progress. */
export function Figure({ slide, children }: { slide: SlideMessage; children?: ComponentChildren }) {
  const { parasitemia } = slide;
  const most = Math.max(slide.cellsNeeded, 1);
  return (
    <>
      <div class="figures">
        <div>
          <p class="figure-label">{say(slide.closedAt ? wording.figureFinal : wording.figureLabel)}</p>
          <p id="percent" class="figure">
            {parasitemia ? percentWords(parasitemia) : say(wording.noCell)}
          </p>
        </div>
        <div>
          <p class="figure-label">{say(wording.toGo)}</p>
          <p id="to-go" class="figure second">
            {local().integer(toGo(slide))}
          </p>
        </div>
      </div>
      <p id="interval" class="interval">
        {parasitemia && intervalWords(parasitemia, slide.interval)}
      </p>
      {children}
      <progress aria-label={say(wording.progress)} max={most} value={Math.min(slide.counts.cells, most)} />
      <p id="slide-state" class="slide-state" data-state={slide.state}>
        {stateWords(slide)}
      </p>
    </>
  );
}
