// What the person at the microscope must know where the slides don't look like those that the model knows.

import { live as wording } from "../catalogue/live";
import { say } from "../catalogue/phrase";
import { useHeard } from "../heard";

/** A board tells of it each 30 seconds. */
const PAUSE_MS = 1000;

export function Unlike({ device, now }: { device: string; now: number }) {
  const { fleet } = useHeard([`smearscope/${device}/status`, `smearscope/${device}/health`], PAUSE_MS);
  const isUnlike = fleet.rows(now).some(({ alarms }) => alarms.some(({ key }) => key === "drifted"));
  return (
    <p id="unlike" class="caution unlike" role="status" hidden={!isUnlike}>
      {isUnlike && say(wording.unlike)}
    </p>
  );
}
