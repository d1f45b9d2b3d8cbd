// How far the review is, and what it makes of the slide, beside the machine's own figure.

import { local } from "../catalogue/format";
import { say, type Phrase } from "../catalogue/phrase";
import { review as wording } from "../catalogue/review";
import type { Parasitemia, Reviewed, SlideMessage } from "../messages/slide";
import { percentWords } from "../slide/words";
import { Facts } from "../ui/facts";
import { Stale } from "../ui/stale";
import type { Progress } from "./desk";
import { completeWords, intervalWords } from "./words";

function Figure({ label, of, none }: { label: Phrase<string>; of: Parasitemia | null; none: string }) {
  return (
    <div>
      <p class="cell-figure-label">{say(label)}</p>
      <p class="cell-figure">{of ? percentWords(of) : "–"}</p>
      <p class="quiet">{of ? intervalWords(of) : none}</p>
    </div>
  );
}

interface Props {
  progress: Progress | null;
  slide: SlideMessage | null;
  /** Why the slide's figures are not of now. */
  stale: string | null;
  reviewed: Reviewed | null;
}

export function ProgressCard({ progress, slide, stale, reviewed }: Props) {
  const n = (value: number): string => local().integer(value);
  return (
    <section class="card" aria-labelledby="progress-title">
      <div class="head">
        <h2 id="progress-title">{say(wording.progress)}</h2>
        <Stale why={stale} />
      </div>
      {progress && (
        <>
          <progress aria-labelledby="progress-title" max={Math.max(progress.total, 1)} value={progress.decided} />
          <p id="review-progress">{say(wording.progressOf, progress.decided, progress.total)}</p>
        </>
      )}
      {slide && (
        <>
          <h3 class="cell-slide">
            {say(wording.figures)} · {slide.id}
          </h3>
          <div class="cell-figures">
            <Figure label={wording.byMachine} of={slide.parasitemia} none="" />
            <Figure label={wording.byReviewer} of={reviewed?.parasitemia ?? null} none={say(wording.notReviewed)} />
          </div>
        </>
      )}
      {slide && reviewed && (
        <>
          <Facts
            facts={[
              [wording.confirmed, n(reviewed.confirmed)],
              [wording.rejected, n(reviewed.rejected)],
              [wording.found, n(reviewed.found)],
              [wording.agreed, n(reviewed.agreed)],
            ]}
          />
          <p id="review-complete">{completeWords(slide, reviewed)}</p>
        </>
      )}
    </section>
  );
}
