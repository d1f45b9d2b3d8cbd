// What the camera sees now, for the person at the microscope: focus and light with the last minute
// of both, and what to do.

import { common } from "../catalogue/common";
import { live as wording } from "../catalogue/live";
import { say } from "../catalogue/phrase";
import type { Size } from "../geometry";
import type { Station } from "../station";
import { heightOf } from "../trail";
import { Pill } from "../ui/pill";
import { Stale } from "../ui/stale";
import { bestWords, BURNT_OUT, DIM, focusFigure, lightWords, reasonWords, verdictWords } from "./words";

const FOCUS: Size = { width: 240, height: 72 };
const LIGHT: Size = { width: 240, height: 44 };

function FocusTrail({ station, now }: { station: Station; now: number }) {
  const { line, best } = station.focusTrail.drawing(now, FOCUS);
  return (
    <svg viewBox={`0 0 ${FOCUS.width} ${FOCUS.height}`} preserveAspectRatio="none" class="trail" aria-hidden="true">
      {/* A line at the height to reach, and an arrowhead where it was reached. */}
      {best && (
        <path class="trail-best" d={`M0 ${best.y}H${FOCUS.width}M${best.x} ${best.y - 2}l-4 -6h8z`} />
      )}
      <path class="trail-line" d={line} />
    </svg>
  );
}

/** The light of the last minute, between where it is too little and where it is too much. */
function LightTrail({ station, now }: { station: Station; now: number }) {
  const { line } = station.lightTrail.drawing(now, LIGHT, 1);
  const high = heightOf(BURNT_OUT, 1, LIGHT);
  const low = heightOf(DIM, 1, LIGHT);
  return (
    <svg
      viewBox={`0 0 ${LIGHT.width} ${LIGHT.height}`}
      preserveAspectRatio="none"
      class="trail light"
      aria-hidden="true"
    >
      <rect class="trail-fine" x="0" y={high} width={LIGHT.width} height={low - high} />
      <path class="trail-line" d={line} />
    </svg>
  );
}

export function NowCard({ station, now }: { station: Station; now: number }) {
  if (!station.live) {
    return null;
  }
  const live = station.live.value;
  const isStale = station.liveIsStale(now);
  // Nobody may turn the knob by a figure that is not of now.
  const focus = isStale ? null : live.focus;
  const best = station.focusTrail.best(now);
  const verdict = isStale ? null : verdictWords(live);
  const reason = isStale ? { text: say(wording.noLiveReason), isEnglish: false } : reasonWords(live);
  return (
    <section id="now" class="card now" aria-labelledby="now-title">
      <div class="head">
        <h2 id="now-title">{say(wording.nowTitle)}</h2>
        <Stale id="now-stale" why={isStale ? say(wording.noLivePicture) : null} />
        {verdict && <Pill id="now-verdict" saying={verdict} />}
      </div>
      <p class="figure-label">{say(wording.focusLabel)}</p>
      <div class="now-focus">
        <p id="now-focus" class="figure">
          {focus === null ? "–" : focusFigure(focus)}
        </p>
        <p id="now-best" class="quiet">
          {best ? bestWords(focus, best.value, now - best.at) : say(wording.noFigure)}
        </p>
      </div>
      <div class="trail-box">
        <FocusTrail station={station} now={now} />
        {/* It comes and goes with each field, and must move nothing. */}
        {!isStale && live.analysing && (
          <span id="now-analysing" class="analysing">
            {say(wording.analysing)}
          </span>
        )}
      </div>
      <p
        id="now-reason"
        class="now-reason"
        role="status"
        aria-live="polite"
        lang={reason.isEnglish ? "en" : undefined}
      >
        {reason.text}
      </p>
      <p class="figure-label">
        {say(wording.light)}{" "}
        <span id="now-light" class="now-light">
          {isStale ? say(common.unknown) : lightWords(live)}
        </span>
      </p>
      <LightTrail station={station} now={now} />
    </section>
  );
}

