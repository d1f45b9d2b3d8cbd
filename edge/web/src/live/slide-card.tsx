// The slide at one glance, beside the picture: what was found, and how many cells are to go.

import { local } from "../catalogue/format";
import { say } from "../catalogue/phrase";
import { slide as wording } from "../catalogue/slide";
import { addressOf } from "../router";
import { Figure } from "../slide/figure";
import type { Station } from "../station";
import { Stale } from "../ui/stale";
import { Unlike } from "./unlike";

export function SlideCard({ station, now }: { station: Station; now: number }) {
  const slide = station.slide?.value ?? null;
  return (
    <section class="card" aria-labelledby="slide-title">
      <div class="head">
        <h2 id="slide-title">
          <a href={addressOf("slide")}>{say(wording.title)}</a>
        </h2>
        <Stale id="slide-stale" why={station.slideIsStale() ? say(wording.stale) : null} />
      </div>
      <Unlike device={station.device} now={now} />
      {slide ? (
        <>
          <Figure slide={slide} />
          <dl class="ruled">
            <div>
              <dt>{say(wording.parasitized)}</dt>
              <dd id="slide-counts">{say(wording.ofRedCells, slide.counts.parasitized, slide.counts.cells)}</dd>
            </div>
            <div>
              <dt>{say(wording.fields)}</dt>
              <dd id="slide-fields">{local().integer(slide.fields)}</dd>
            </div>
          </dl>
        </>
      ) : (
        <p class="quiet">{say(wording.none)}</p>
      )}
    </section>
  );
}
