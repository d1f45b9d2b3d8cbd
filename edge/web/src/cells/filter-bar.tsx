// Which cells lie on the desk.

import { say, type Phrase } from "../catalogue/phrase";
import { review as wording } from "../catalogue/review";
import type { Filter } from "./desk";

interface ChoiceProps<T extends string> {
  label: Phrase<string>;
  options: Record<T, Phrase<string>>;
  value: T;
  onChoose(value: T): void;
}

function Choice<T extends string>({ label, options, value, onChoose }: ChoiceProps<T>) {
  return (
    <label>
      <span>{say(label)}</span>
      <select value={value} onChange={(event) => onChoose(event.currentTarget.value as T)}>
        {(Object.keys(options) as T[]).map((name) => (
          <option key={name} value={name}>
            {say(options[name])}
          </option>
        ))}
      </select>
    </label>
  );
}

export function FilterBar({ filter, onFilter }: { filter: Filter; onFilter(filter: Filter): void }) {
  return (
    <div class="cell-filter" role="group" aria-label={say(wording.filters)}>
      <Choice
        label={wording.scope}
        options={wording.scopes}
        value={filter.scope}
        onChoose={(scope) => onFilter({ ...filter, scope })}
      />
      <Choice
        label={wording.decidedFilter}
        options={wording.decideds}
        value={filter.decided}
        onChoose={(decided) => onFilter({ ...filter, decided })}
      />
      <Choice
        label={wording.reasonFilter}
        options={wording.reasonFilters}
        value={filter.reason}
        onChoose={(reason) => onFilter({ ...filter, reason })}
      />
    </div>
  );
}
