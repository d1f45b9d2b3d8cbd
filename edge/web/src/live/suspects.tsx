// The cells that the model calls parasitized, as buttons: what pointing shows, a keyboard shows too.

import { useRef } from "preact/hooks";

import { live } from "../catalogue/live";
import { say } from "../catalogue/phrase";
import type { Cell, FieldMessage } from "../messages/field";
import { probability } from "./words";

/** Buttons for the most suspicious cells; the rest is told as a number. */
const MAX_CHIPS = 12;

export const suspectsOf = (field: FieldMessage | null): Cell[] =>
  (field?.cells ?? []).filter((cell) => cell.parasitized).sort((a, b) => b.p - a.p);

interface Props {
  suspects: readonly Cell[];
  onChoose(cell: Cell | null): void;
}

export function Suspects({ suspects, onChoose }: Props) {
  const shown = suspects.slice(0, MAX_CHIPS);
  // Empty places stay: a button that is removed loses the keyboard's place.
  const places = useRef(0);
  places.current = Math.max(places.current, shown.length);
  const more = suspects.length - shown.length;
  return (
    <div class="suspects" hidden={shown.length === 0}>
      <h3 id="suspects-title">{say(live.suspects)}</h3>
      <ul class="chips" aria-labelledby="suspects-title">
        {Array.from({ length: places.current }, (_, i) => {
          const cell = shown[i];
          const leave = (): void => onChoose(null);
          const choose = (): void => onChoose(cell ?? null);
          return (
            <li key={i} hidden={cell === undefined}>
              <button
                type="button"
                class={cell?.countedBefore ? "before" : ""}
                aria-label={
                  cell && say(live.showCell, probability(cell.p), cell.bbox[0], cell.bbox[1], cell.countedBefore)
                }
                onFocus={choose}
                onClick={choose}
                onPointerEnter={choose}
                onBlur={leave}
                onPointerLeave={leave}
              >
                {cell && probability(cell.p)}
              </button>
            </li>
          );
        })}
      </ul>
      {more > 0 && <p class="quiet">{say(live.suspectsMore, more)}</p>}
    </div>
  );
}

/** Which of the buttons has the keyboard, so that the same place stays chosen in the next field. */
export function focusedSuspect(suspects: readonly Cell[]): Cell | null {
  const chip = document.activeElement?.closest(".chips > li");
  const i = chip ? [...(chip.parentElement?.children ?? [])].indexOf(chip) : -1;
  return suspects[i] ?? null;
}
