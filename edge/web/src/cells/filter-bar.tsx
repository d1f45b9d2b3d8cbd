// Which cells lie on the desk.

import { say, type Phrase } from "../catalogue/phrase";
import { review as wording } from "../catalogue/review";
import type { Filter } from "./desk";

interface ChoiceProps<T extends string> {
  label: Phrase<string>;
  options: Record<T, Phrase<string>>;
  value: T;
  isOff: boolean;
  onChoose(value: T): void;
}

function Choice<T extends string>({ label, options, value, isOff, onChoose }: ChoiceProps<T>) {
  return (
    <label>
      <span>{say(label)}</span>
      <select value={value} disabled={isOff} onChange={(event) => onChoose(event.currentTarget.value as T)}>
        {(Object.keys(options) as T[]).map((name) => (
          <option key={name} value={name}>
            {say(options[name])}
          </option>
        ))}
      </select>
    </label>
  );
}

interface Props {
  filter: Filter;
  /** The board can't be asked now. */
  isOff: boolean;
  onFilter(filter: Filter): void;
}

export function FilterBar({ filter, isOff, onFilter }: Props) {
  return (
    <div class="cell-filter" role="group" aria-label={say(wording.filters)}>
      <Choice
        label={wording.scope}
        options={wording.scopes}
        value={filter.scope}
        isOff={isOff}
        onChoose={(scope) => onFilter({ ...filter, scope })}
      />
      <Choice
        label={wording.decidedFilter}
        options={wording.decideds}
        value={filter.decided}
        isOff={isOff}
        onChoose={(decided) => onFilter({ ...filter, decided })}
      />
      <Choice
        label={wording.reasonFilter}
        options={wording.reasonFilters}
        value={filter.reason}
        isOff={isOff}
        onChoose={(reason) => onFilter({ ...filter, reason })}
      />
    </div>
  );
}
