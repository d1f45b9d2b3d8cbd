// One slide: what its count says, how sure that is, what is noted, and where to begin and to end it.

import { common } from "../catalogue/common";
import { local } from "../catalogue/format";
import { say } from "../catalogue/phrase";
import { slide as wording } from "../catalogue/slide";
import { useNow, useWatched } from "../hooks";
import { addressOf } from "../router";
import { useSession } from "../session";
import { ActionsCard } from "../slide/actions-card";
import { CourseCard } from "../slide/course-card";
import { DetailsCard } from "../slide/details-card";
import { NotesCard } from "../slide/notes-card";
import { ResultCard } from "../slide/result-card";
import { Strip } from "../slide/strip";
import "../styles/figures.css";
import "../styles/slide.css";

/** More often than figures can be read they need not change. */
const PAUSE_MS = 200;

export function SlideView() {
  const { station, asker, pictures, config, changes } = useSession();
  useWatched(changes, PAUSE_MS);
  // The time of printing grows with the clock.
  useNow(10_000);
  if (!station || !asker) {
    return (
      <p class="card">
        <a href={addressOf("fleet")}>{say(common.chooseDevice)}</a>
      </p>
    );
  }
  const slide = station.slide?.value ?? null;
  const canAsk = station.link.is === "connected" && station.status?.state === "online";
  const report = config.reports && slide?.closedAt ? `slides/${encodeURIComponent(slide.id)}.html` : null;
  return (
    <div class="slide-view">
      {slide ? (
        <ResultCard slide={slide} isStale={station.slideIsStale()} />
      ) : (
        <p class="card result-card quiet">{say(wording.none)}</p>
      )}
      <div class="slide-side">
        <ActionsCard slide={slide} asker={asker} canAsk={canAsk} report={report} />
        {slide && (
          <>
            <NotesCard slide={slide} asker={asker} canAsk={canAsk} />
            <DetailsCard slide={slide} device={station.device} />
          </>
        )}
      </div>
      {slide && (
        <div class="slide-more">
          <CourseCard slide={slide} />
          <Strip recent={slide.recent} thumbnails={pictures.thumbnails} />
        </div>
      )}
      <p class="print-only">{say(wording.printed, station.device, local().dateTime(new Date()))}</p>
    </div>
  );
}
