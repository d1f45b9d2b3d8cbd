// Messages that could not be used: named, since a figure that is missing may be among them.

import { say } from "../catalogue/phrase";
import { wire } from "../catalogue/wire";
import type { Station } from "../station";

const MOST = 4;

export function Problems({ station }: { station: Station }) {
  const lines = [...station.problems.values()].slice(0, MOST);
  return (
    <div id="problems" class="problems" role="status" aria-live="polite" hidden={lines.length === 0}>
      {lines.length > 0 && `${lines.join(" ")} ${say(wire.ignoredSoFar, station.ignored)}`}
    </div>
  );
}
