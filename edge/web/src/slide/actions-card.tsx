// Starts a slide and closes it. What can't be undone is asked for once more, inside the page.

import { useState } from "preact/hooks";

import type { Asker } from "../ask";
import { ToldLine, useCommand } from "../board/command-button";
import { say } from "../catalogue/phrase";
import { slide as wording } from "../catalogue/slide";
import { isSlideId } from "../messages/checks";
import { parseWhichSlide, type SlideMessage } from "../messages/slide";
import { Dialog } from "../ui/dialog";
import { drafts } from "./notes";
import { toGo } from "./words";

interface Props {
  slide: SlideMessage | null;
  asker: Asker;
  canAsk: boolean;
  /** Where the board's own report of the closed slide is; `null` where it is not known to be. */
  report: string | null;
}

type Step = "start" | "stop";

export function ActionsCard({ slide, asker, canAsk, report }: Props) {
  const { told, isBusy, run } = useCommand();
  const [id, setId] = useState("");
  const [isWrong, setWrong] = useState(false);
  const [asked, setAsked] = useState<Step | null>(null);
  const isOff = isBusy || !canAsk;
  const open = slide && !slide.closedAt ? slide : null;

  const start = async (): Promise<void> => {
    const args = id === "" ? {} : { id };
    const begun = await run(
      () => asker.ask("slide.start", args, parseWhichSlide),
      (name) => say(wording.begun, name),
    );
    if (begun !== null) {
      setId("");
    }
  };
  const stop = async (): Promise<void> => {
    await run(
      () => asker.ask("slide.stop", {}, parseWhichSlide),
      (name) => say(wording.stopped, name),
    );
  };
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const wrong = id !== "" && !isSlideId(id);
    setWrong(wrong);
    if (isOff || wrong) {
      return;
    }
    // A slide without cells is no loss.
    if (open && open.counts.cells > 0) {
      setAsked("start");
    } else {
      void start();
    }
  };
  const confirm = (close: () => void): void => {
    const step = asked;
    close();
    void (step === "start" ? start() : stop());
  };

  return (
    <section class="card no-print" aria-labelledby="actions-title">
      <div class="head">
        <h2 id="actions-title">{say(wording.actions)}</h2>
      </div>
      <form class="start-form" onSubmit={submit}>
        <label for="slide-id">{say(wording.idLabel)}</label>
        <input
          id="slide-id"
          value={id}
          maxLength={64}
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          aria-describedby={isWrong ? "slide-id-wrong slide-id-hint" : "slide-id-hint"}
          aria-invalid={isWrong}
          onInput={(event) => {
            setId(event.currentTarget.value.trim());
            setWrong(false);
          }}
        />
        {isWrong && (
          <p id="slide-id-wrong" class="error" role="alert">
            {say(wording.idWrong)}
          </p>
        )}
        <p id="slide-id-hint" class="caution">
          {say(wording.idHint)}
        </p>
        <div class="buttons">
          <button type="submit" class={open ? "button" : "button primary"} aria-disabled={isOff}>
            {say(wording.start)}
          </button>
          {open && (
            <button type="button" class="button" aria-disabled={isOff} onClick={() => !isOff && setAsked("stop")}>
              {say(wording.stop)}
            </button>
          )}
        </div>
      </form>
      <ToldLine told={told} />
      {slide && (
        <div class="buttons">
          <button type="button" class="button" onClick={() => print()}>
            {say(wording.print)}
          </button>
          {report !== null && (
            <a class="button" href={report}>
              {say(wording.report)}
            </a>
          )}
        </div>
      )}
      {asked && open && (
        <Dialog
          title={say(asked === "start" ? wording.startAsk : wording.stopAsk, open.id)}
          onClose={() => setAsked(null)}
        >
          {(close) => (
            <>
              <p>{say(wording.closeSays, open.counts.cells, toGo(open))}</p>
              {!drafts.of(open.id, open.notes ?? "").isSaved && <p class="error">{say(wording.notesFirst)}</p>}
              <div class="buttons">
                <button type="button" class="button primary" onClick={() => confirm(close)}>
                  {say(asked === "start" ? wording.start : wording.stop)}
                </button>
                <button type="button" class="button" onClick={close}>
                  {say(wording.cancel)}
                </button>
              </div>
            </>
          )}
        </Dialog>
      )}
    </section>
  );
}
