// The slide's result: the figure, its band, and beside it what a reviewer made of it.

import { local } from "../catalogue/format";
import { say } from "../catalogue/phrase";
import { slide as wording } from "../catalogue/slide";
import type { Reviewed, SlideMessage } from "../messages/slide";
import { addressOf } from "../router";
import { Stale } from "../ui/stale";
import { Band } from "./band";
import { Figure } from "./figure";
import { percentWords } from "./words";

function ReviewedFigure({ reviewed }: { reviewed: Reviewed }) {
  const { parasitemia, confirmed, rejected, found, complete } = reviewed;
  return (
    <div class="reviewed">
      <p class="figure-label">
        <a href={addressOf("review")}>{say(wording.reviewTitle)}</a>
      </p>
      <p id="reviewed" class="figure second">
        {percentWords(parasitemia)}
      </p>
      <p>{say(wording.reviewCounts, confirmed, rejected, found)}</p>
      <p class={complete ? "quiet" : "caution"}>{say(complete ? wording.reviewComplete : wording.reviewPartial)}</p>
    </div>
  );
}

export function ResultCard({ slide, isStale }: { slide: SlideMessage; isStale: boolean }) {
  return (
    <section class="card result-card" aria-labelledby="result-title">
      <div class="head">
        <h2 id="result-title">{say(wording.named, slide.id)}</h2>
        <Stale id="slide-stale" why={isStale ? say(wording.stale) : null} />
        <p class="quiet">
          {slide.closedAt
            ? say(wording.closed, local().dateTime(slide.closedAt))
            : say(wording.open, local().dateTime(slide.startedAt))}
        </p>
      </div>
      <Figure slide={slide}>
        <Band slide={slide} />
      </Figure>
      {slide.reviewed && <ReviewedFigure reviewed={slide.reviewed} />}
    </section>
  );
}
