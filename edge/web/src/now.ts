// What the camera sees now, for the person at the microscope.

import { element, pill, say, setText } from "./dom";
import type { Size } from "./geometry";
import type { Station } from "./station";
import * as words from "./words";

/** As the viewBox in index.html says. */
const DRAWING: Size = { width: 240, height: 72 };

export class NowCard {
  private readonly best = element<SVGPathElement>("now-best-mark");

  render(station: Station, now: number): void {
    element("now").hidden = station.live === null;
    if (!station.live) {
      return;
    }
    const live = station.live.value;
    const isStale = station.liveIsStale(now);
    say(element("now-stale"), isStale ? "No live picture" : null);

    // Nobody may turn the knob by a figure that is not of now.
    const focus = isStale ? null : live.focus;
    setText(element("now-focus"), focus === null ? "–" : words.focusFigure(focus));
    this.renderTrail(station, focus, now);

    const verdict = isStale ? null : words.verdictWords(live);
    element("now-verdict").hidden = verdict === null;
    if (verdict) {
      pill(element("now-verdict"), verdict);
    }
    element("now-analysing").hidden = isStale || !live.analysing;
    setText(element("now-reason"), isStale ? words.NO_LIVE_PICTURE : live.reason);
    setText(element("now-light"), isStale ? "not known" : words.lightWords(live));
  }

  private renderTrail(station: Station, focus: number | null, now: number): void {
    const { line, best } = station.trail.drawing(now, DRAWING);
    element("now-trail").setAttribute("d", line);
    this.best.setAttribute(
      "d",
      // A line at the height to reach, and an arrowhead where it was reached.
      best ? `M0 ${best.y}H${DRAWING.width}M${best.x} ${best.y - 2}l-4 -6h8z` : "",
    );
    const found = station.trail.best(now);
    setText(element("now-best"), found ? words.bestWords(focus, found.focus, now - found.at) : "No figure in the last minute");
  }
}
