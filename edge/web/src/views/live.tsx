// For the technician: in focus? how many cells to go? what was found?

import { common } from "../catalogue/common";
import { say } from "../catalogue/phrase";
import { useNow, useWatched } from "../hooks";
import { FieldCard } from "../live/field-card";
import { LastCard } from "../live/last-card";
import { NowCard } from "../live/now-card";
import { SlideCard } from "../live/slide-card";
import { useFirstPicture } from "../live/first-picture";
import { addressOf } from "../router";
import { useSession } from "../session";
import "../styles/figures.css";
import "../styles/live.css";

export function LiveView() {
  const session = useSession();
  useWatched(session.changes);
  const now = useNow();
  useFirstPicture(session, now);
  const { station, pictures } = session;
  if (!station) {
    return (
      <p class="card">
        <a href={addressOf("fleet")}>{say(common.chooseDevice)}</a>
      </p>
    );
  }
  return (
    <div class="board">
      <FieldCard station={station} pictures={pictures} now={now} />
      <div class="side">
        <NowCard station={station} now={now} />
        <SlideCard station={station} now={now} />
      </div>
      <LastCard station={station} now={now} />
    </div>
  );
}
