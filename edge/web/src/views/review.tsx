// A second look at the cells that the board has kept.

import { useEffect, useState } from "preact/hooks";

import type { Asker } from "../ask";
import { whyWords } from "../catalogue/answers";
import { common } from "../catalogue/common";
import { say } from "../catalogue/phrase";
import { review as wording } from "../catalogue/review";
import { AboutCell } from "../cells/about-cell";
import { Controls, Help } from "../cells/controls";
import { latestReviewed, type Desk } from "../cells/desk";
import { FilterBar } from "../cells/filter-bar";
import { actionOf, takesKeys, type Action } from "../cells/keys";
import { ProgressCard } from "../cells/progress-card";
import { ReviewerCard } from "../cells/reviewer-card";
import { readSettings, signatureOf, writeSettings, type Settings } from "../cells/settings";
import { Stage } from "../cells/stage";
import { Strip } from "../cells/strip";
import { useReview, type Review } from "../cells/use-desk";
import { decisionWords } from "../cells/words";
import { useNow } from "../hooks";
import { useSession } from "../session";
import "../styles/review.css";

const storage = (): Storage => localStorage;

function useSettings(): [Settings, (settings: Settings) => void] {
  const [settings, set] = useState(() => readSettings(storage));
  return [
    settings,
    (next) => {
      writeSettings(storage, next);
      set(next);
    },
  ];
}

/** Single keys, unless somebody writes, a dialog is open or they are switched off. */
function useKeys(isOn: boolean, act: (action: Action) => void): void {
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const { target } = event;
      const isTaken =
        target instanceof HTMLElement && takesKeys(target.tagName, target.isContentEditable, target.getAttribute("type"));
      const action = actionOf(event);
      if (!isOn || action === null || isTaken || event.defaultPrevented || document.querySelector("dialog[open]")) {
        return;
      }
      event.preventDefault();
      act(action);
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  });
}

interface NothingProps {
  desk: Desk;
  isOff: boolean;
  onOpen(change: Partial<Desk["filter"]>): void;
}

/** Why there is no cell to look at, and what to do about it. */
function Nothing({ desk, isOff, onOpen }: NothingProps) {
  const again = (label = wording.again) => (
    <button type="button" class="button" disabled={isOff} onClick={() => onOpen({})}>
      {say(label)}
    </button>
  );
  if (desk.state.is === "failed") {
    const { why } = desk.state;
    return (
      <>
        <p class="error">{why.is === "too_old" ? say(wording.tooOld) : whyWords(why)}</p>
        {again()}
      </>
    );
  }
  if (desk.state.is !== "ready") {
    return <p>{say(isOff ? wording.nothingKnown : wording.loading)}</p>;
  }
  if (desk.cells.length > 0) {
    return (
      <>
        <p>{say(wording.end)}</p>
        {again(wording.reload)}
      </>
    );
  }
  const { progress } = desk;
  if (desk.filter.decided === "undecided" && desk.filter.reason === "any" && progress && progress.total > 0) {
    return (
      <>
        <p>{say(wording.allDecided, progress.decided)}</p>
        <div class="cell-moves">
          {again(wording.reload)}
          <button type="button" class="button" disabled={isOff} onClick={() => onOpen({ decided: "decided" })}>
            {say(wording.showDecided)}
          </button>
        </div>
      </>
    );
  }
  return (
    <>
      <p>{say(progress?.total === 0 ? wording.noneKept : wording.noneFits)}</p>
      {again(wording.reload)}
    </>
  );
}

function Unsent({ desk, isOff }: { desk: Desk; isOff: boolean }) {
  const { failed } = desk.outbox;
  const why = failed.at(-1)?.why;
  return (
    <div role="alert" class="cell-unsent" hidden={!why}>
      {why && (
        <>
          <p class="error">{say(wording.unsentWhy, say(wording.unsent, failed.length), whyWords(why))}</p>
          <button type="button" class="button" disabled={isOff} onClick={() => desk.outbox.repeat()}>
            {say(wording.resend)}
          </button>
        </>
      )}
    </div>
  );
}

function Desktop({ desk, pictures, isOff }: Review & { isOff: boolean }) {
  const { station } = useSession();
  const [settings, setSettings] = useSettings();
  const [look, setLook] = useState({ hasOutline: false, isHidden: false, isClose: false });
  const [isHelping, setHelping] = useState(false);
  const slide = station?.slide ?? null;
  const by = signatureOf(settings);
  const cell = desk.current;

  const open = (change: Partial<Desk["filter"]>): void =>
    void desk.open({ ...desk.filter, ...change }, slide?.value.id ?? null);
  const toggle = (what: keyof typeof look): void => setLook((last) => ({ ...last, [what]: !last[what] }));
  const act = (action: Action): void => {
    switch (action) {
      case "parasitized":
      case "uninfected":
        return isOff ? undefined : desk.decide(action === "parasitized", by);
      case "undo":
        return isOff ? undefined : desk.undo();
      case "skip":
        return desk.step(1);
      case "back":
        return desk.step(-1);
      case "mask":
        return toggle("hasOutline");
      case "hide":
        return toggle("isHidden");
      case "help":
        return setHelping(true);
    }
  };
  useKeys(settings.shortcuts, act);

  const decision = cell && decisionWords(cell, desk.outbox.of(cell.id));
  const reviewed = latestReviewed(
    slide && { id: slide.value.id, reviewed: slide.value.reviewed, at: slide.at },
    desk.count,
  );
  const other = desk.slide !== null && slide !== null && slide.value.id !== desk.slide ? slide.value.id : null;
  return (
    <div class="cell-desk">
      <section class="card cell-main" aria-label={say(common.view.review)}>
        <FilterBar filter={desk.filter} isOff={isOff} onFilter={open} />
        {other !== null && (
          <p class="cell-other">
            {say(wording.otherSlide, other)}{" "}
            <button type="button" class="button small" onClick={() => open({ scope: "slide" })}>
              {say(wording.toOtherSlide)}
            </button>
          </p>
        )}
        <Unsent desk={desk} isOff={isOff} />
        {cell ? (
          <Stage
            cell={cell}
            number={desk.position + 1}
            state={pictures.of(cell.id)}
            look={look}
            onAgain={() => pictures.repeat()}
          >
            {decision && (
              <p class="cell-mark" data-tone={decision.tone}>
                {decision.text}
              </p>
            )}
          </Stage>
        ) : (
          <div class="cell-stage">
            <div class="cell-lacking" role="status">
              <Nothing desk={desk} isOff={isOff} onOpen={open} />
            </div>
          </div>
        )}
        <Controls
          verdict={cell ? desk.verdictOf(cell) : undefined}
          isOff={isOff}
          canUndo={desk.canUndo}
          canGoBack={desk.position > 0}
          look={look}
          act={act}
          onCloser={() => toggle("isClose")}
        />
        {desk.cells.length > 0 && <Strip desk={desk} pictures={pictures} />}
      </section>
      <div class="cell-side">
        {cell && (
          <AboutCell desk={desk} cell={cell} isHidden={look.isHidden} isOff={isOff} onWithdraw={() => desk.withdraw(by)} />
        )}
        <ProgressCard
          progress={desk.progress}
          slide={slide?.value ?? null}
          stale={station?.slideIsStale() ? say(common.stale, say(common.staleNotLive)) : null}
          reviewed={reviewed}
        />
        <ReviewerCard settings={settings} onSettings={setSettings} />
      </div>
      {isHelping && <Help hasShortcuts={settings.shortcuts} onClose={() => setHelping(false)} />}
    </div>
  );
}

function ReviewOf({ asker }: { asker: Asker }) {
  const { link, station } = useSession();
  const now = useNow();
  // A board whose status the broker doesn't know may be there all the same.
  const isAway = station?.status != null && station.status.state !== "online";
  const isOff = !link.isConnected || isAway;
  const review = useReview(asker, !isOff, now);
  return (
    <>
      {isOff && (
        <p class="cell-off error" role="status">
          {say(link.isConnected ? wording.away : wording.unconnected)}
        </p>
      )}
      <Desktop {...review} isOff={isOff} />
    </>
  );
}

export function ReviewView() {
  const { asker } = useSession();
  return asker ? <ReviewOf asker={asker} /> : <p class="card quiet">{say(common.noDevice)}</p>;
}
