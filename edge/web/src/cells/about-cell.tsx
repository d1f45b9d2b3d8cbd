// What is known of the cell that is looked at, and what was decided on it.

import { modelWords } from "../board/words";
import { say } from "../catalogue/phrase";
import { review as wording } from "../catalogue/review";
import { local } from "../catalogue/format";
import type { KeptCell } from "../messages/kept";
import { Facts } from "../ui/facts";
import type { Desk } from "./desk";
import { decisionWords, noveltyWords, opinionWords, reasonWords, takenWords } from "./words";

interface Props {
  desk: Desk;
  cell: KeptCell;
  isHidden: boolean;
  isOff: boolean;
  onWithdraw(): void;
}

export function AboutCell({ desk, cell, isHidden, isOff, onWithdraw }: Props) {
  const decision = decisionWords(cell, desk.outbox.of(cell.id));
  const novelty = noveltyWords(cell);
  return (
    <section class="card" aria-labelledby="cell-title">
      <h2 id="cell-title">{say(wording.cellOf, desk.position + 1, Math.max(desk.total, desk.cells.length))}</h2>
      <Facts
        facts={[
          [wording.opinion, isHidden ? say(wording.opinionHidden) : <strong>{opinionWords(cell)}</strong>],
          [
            wording.decision,
            decision ? (
              <span class="cell-decision" data-tone={decision.tone}>
                {decision.text}
              </span>
            ) : (
              say(wording.undecided)
            ),
          ],
          [wording.reason, isHidden ? say(wording.opinionHidden) : reasonWords(cell)],
          // Parasites are rare, so it hints at the machine's opinion.
          [wording.novelty, novelty && isHidden ? say(wording.opinionHidden) : novelty],
          [wording.field, local().integer(cell.seq)],
          [wording.slide, cell.slide ?? say(wording.noSlide)],
          [wording.taken, takenWords(cell)],
          [wording.model, modelWords(cell.model.name, cell.model.version)],
        ]}
      />
      {desk.verdictOf(cell) !== null && (
        <button type="button" class="button small cell-withdraw" disabled={isOff} onClick={onWithdraw}>
          {say(wording.withdraw)}
        </button>
      )}
    </section>
  );
}
