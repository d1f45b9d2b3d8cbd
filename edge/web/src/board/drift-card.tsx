// Whether the slides still look like those that the model knows, and what of them doesn't.

import { wordOf } from "../catalogue/board";
import { drift as wording } from "../catalogue/drift";
import { say } from "../catalogue/phrase";
import type { Drift, Measure } from "../messages/health";
import { Pill } from "../ui/pill";
import { driftWords, judgedWords, measureWords } from "./words";

function Measures({ measures }: { measures: readonly Measure[] }) {
  return (
    <table class="device-measures" aria-labelledby="drift-title">
      <thead>
        <tr>
          <th scope="col">{say(wording.measure)}</th>
          <th scope="col">{say(wording.value)}</th>
          <th scope="col">{say(wording.usual)}</th>
          <th scope="col">{say(wording.verdict)}</th>
        </tr>
      </thead>
      <tbody>
        {measures.map((measure) => {
          const { value, range } = measureWords(measure);
          return (
            <tr key={measure.name} data-out={measure.isOut}>
              <th scope="row">{say(wordOf(wording.measures, measure.name))}</th>
              <td>{value}</td>
              <td>{range}</td>
              <td>{say(measure.isOut ? wording.out : wording.within)}</td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

export function DriftCard({ drift }: { drift: Drift }) {
  return (
    <section class="card" aria-labelledby="drift-title">
      <div class="head">
        <h2 id="drift-title">{say(wording.title)}</h2>
        <Pill saying={driftWords(drift)} />
      </div>
      <p class="quiet">{judgedWords(drift)}</p>
      {/* What was measured of too few cells says nothing yet. */}
      {drift.state !== "too_few" && drift.measures.length > 0 && <Measures measures={drift.measures} />}
    </section>
  );
}
