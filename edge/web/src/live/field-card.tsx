// The last field that can be shown: its picture, its boxes, what they mean, the cells to look at.

import { useLayoutEffect, useMemo, useState } from "preact/hooks";

import { common } from "../catalogue/common";
import { live } from "../catalogue/live";
import { say } from "../catalogue/phrase";
import { sameShape } from "../geometry";
import type { Cell } from "../messages/field";
import type { Pictures } from "../pictures";
import type { Station } from "../station";
import { Stale } from "../ui/stale";
import { FieldStage, sizeWords } from "./field-stage";
import { Legend } from "./legend";
import { focusedSuspect, Suspects, suspectsOf } from "./suspects";
import { pairWords } from "./words";

export function FieldCard({ station, pictures, now }: { station: Station; pictures: Pictures; now: number }) {
  const { picture, field } = pictures.view(now);
  const isMisfit = picture !== null && field !== null && !sameShape(field, picture.bitmap);
  const boxed = isMisfit ? null : field;
  const suspects = useMemo(() => suspectsOf(boxed), [boxed]);
  const [chosen, setChosen] = useState<Cell | null>(null);
  // The cell that was pointed at belongs to the picture before.
  useLayoutEffect(() => setChosen(focusedSuspect(suspects)), [picture, boxed]);

  const stale = station.fieldStale();
  // A picture that is held is behind on purpose.
  const latest = pictures.isHeld ? field : (station.field?.value ?? null);
  return (
    <section class="card field" aria-labelledby="field-title">
      <div class="head">
        <h2 id="field-title">{say(live.fieldTitle)}</h2>
        {pictures.isHeld && <Stale why={say(live.held)} />}
        <Stale id="field-stale" why={stale === null ? null : say(common.stale, stale)} />
        <button
          type="button"
          class="button small"
          hidden={picture === null}
          onClick={() => (pictures.isHeld ? pictures.letGo() : pictures.hold(performance.now()))}
        >
          {say(pictures.isHeld ? live.letGo : live.hold)}
        </button>
      </div>
      <FieldStage picture={picture} boxed={boxed} chosen={chosen} onChoose={setChosen} />
      <p id="pair" class="pair">
        {isMisfit ? say(live.misfit, sizeWords(picture.bitmap), sizeWords(field)) : pairWords(picture, field, latest)}
      </p>
      <Legend hasCountedBefore={boxed?.cells.some((cell) => cell.countedBefore) ?? false} />
      <Suspects suspects={suspects} onChoose={setChosen} />
    </section>
  );
}
