// All boards of the broker: which are there, which need somebody.

import { useState } from "preact/hooks";

import { fleet as wording } from "../catalogue/fleet";
import { common } from "../catalogue/common";
import { say } from "../catalogue/phrase";
import { FLEET_TOPICS, matches, MAX_BOARDS, summaryOf, type Row, type StateFilter } from "../fleet";
import { FleetTable } from "./fleet-table";
import { useHeard } from "../heard";
import { useNow } from "../hooks";
import { useSession } from "../session";
import "../styles/fleet.css";
import { Stale } from "../ui/stale";

/** Two hundred boards tell something four hundred times a second; nobody reads faster than this. */
const PAUSE_MS = 1000;
/** Retained messages come with the subscription; after this long there are none. */
const PATIENCE_MS = 3000;

function Tools({ query, filter, onQuery, onFilter }: ToolsProps) {
  const filters = Object.keys(wording.filters) as StateFilter[];
  return (
    <form class="fleet-tools" role="search" onSubmit={(event) => event.preventDefault()}>
      <label>
        <span>{say(wording.search)}</span>
        <input
          type="search"
          value={query}
          placeholder={say(wording.searchHint)}
          onInput={(event) => onQuery(event.currentTarget.value)}
        />
      </label>
      <label>
        <span>{say(wording.filter)}</span>
        <select value={filter} onChange={(event) => onFilter(event.currentTarget.value as StateFilter)}>
          {filters.map((name) => (
            <option key={name} value={name}>
              {say(wording.filters[name])}
            </option>
          ))}
        </select>
      </label>
    </form>
  );
}

interface ToolsProps {
  query: string;
  filter: StateFilter;
  onQuery(query: string): void;
  onFilter(filter: StateFilter): void;
}

/** Why there is no row; `null` where there is one. */
function emptyWords(all: readonly Row[], shown: readonly Row[], hadTime: boolean): string | null {
  if (shown.length > 0) {
    return null;
  }
  if (all.length > 0) {
    return say(wording.noMatch);
  }
  return say(hadTime ? wording.none : wording.waiting);
}

export function FleetView() {
  const { link } = useSession();
  const { fleet, since } = useHeard(FLEET_TOPICS, PAUSE_MS);
  const now = useNow(PAUSE_MS);
  const [query, setQuery] = useState("");
  const [filter, setFilter] = useState<StateFilter>("all");
  const rows = fleet.rows(now);
  const shown = rows.filter((row) => matches(row, query, filter));
  const empty = emptyWords(rows, shown, link.isConnected && now - since > PATIENCE_MS);
  const problems = [...fleet.problems.values()];
  return (
    <section class="card fleet">
      <div class="head">
        <p class="fleet-summary" role="status">
          {say(wording.summary, summaryOf(rows))}
        </p>
        <Stale why={link.isConnected ? null : say(common.stale, say(common.staleNotLive))} />
      </div>
      <Tools query={query} filter={filter} onQuery={setQuery} onFilter={setFilter} />
      {fleet.isFull && <p class="error">{say(wording.full, MAX_BOARDS)}</p>}
      {problems.length > 0 && <p class="quiet">{say(wording.unreadable, problems.length, problems.at(-1)!)}</p>}
      <p class="quiet" role="status">
        {empty ?? `${say(wording.shown, shown.length, rows.length)}. ${say(wording.order)}`}
      </p>
      {shown.length > 0 && <FleetTable rows={shown} now={now} isConnected={link.isConnected} />}
    </section>
  );
}
