// The newest result in figures.

import type { ComponentChildren } from "preact";

import { local } from "../catalogue/format";
import { live } from "../catalogue/live";
import { say, type Phrase } from "../catalogue/phrase";
import type { Received, Station } from "../station";
import type { FieldMessage } from "../messages/field";
import {
  cellSizeWords,
  countedWords,
  countsWords,
  focusFigure,
  overlapWords,
  receivedWords,
  takenWords,
} from "./words";

function Row({ id, term, children }: { id: string; term: Phrase<string>; children: ComponentChildren }) {
  return (
    <div>
      <dt>{say(term)}</dt>
      <dd id={id}>{children}</dd>
    </div>
  );
}

function Figures({ received, now }: { received: Received<FieldMessage>; now: number }) {
  const field = received.value;
  const age = now - received.at;
  const lag = field.clockSynchronised === false ? null : Date.now() - age - field.capturedAt.getTime();
  const overlap = overlapWords(field.overlap);
  return (
    <dl id="last" class="columns">
      <Row id="seq" term={live.number}>
        {local().integer(field.seq)}
      </Row>
      <Row id="counts" term={live.found}>
        {countsWords(field.counts)}
      </Row>
      <Row id="counted" term={live.counted}>
        {countedWords(field)}
      </Row>
      <Row id="taken" term={live.taken}>
        {takenWords(field)}
      </Row>
      <Row id="age" term={live.received}>
        {receivedWords(age, lag)}
      </Row>
      {overlap !== null && (
        <Row id="overlap" term={live.overlap}>
          {overlap}
        </Row>
      )}
      <Row id="focus" term={live.focus}>
        {focusFigure(field.quality.focus)}
      </Row>
      <Row id="exposure" term={live.exposure}>
        {local().percent(field.quality.exposure)}
      </Row>
      <Row id="crowded" term={live.crowded}>
        {say(field.quality.crowded ? live.crowdedYes : live.crowdedNo)}
      </Row>
      <Row id="cell-size" term={live.cellSize}>
        {cellSizeWords(field.quality)}
      </Row>
      <Row id="source" term={live.source}>
        {field.source}
      </Row>
    </dl>
  );
}

export function LastCard({ station, now }: { station: Station; now: number }) {
  return (
    <section class="card last" aria-labelledby="last-title">
      <div class="head">
        <h2 id="last-title">{say(live.lastTitle)}</h2>
      </div>
      {station.field ? (
        <Figures received={station.field} now={now} />
      ) : (
        <p class="quiet">{say(live.lastNone)}</p>
      )}
    </section>
  );
}
