// The notes of the slide: written here, kept on the board.

import { useEffect, useState } from "preact/hooks";

import type { Asker } from "../ask";
import { ToldLine, useCommand } from "../board/command-button";
import { say } from "../catalogue/phrase";
import { slide as wording } from "../catalogue/slide";
import { MAX_NOTES, parseWhichSlide, type SlideMessage } from "../messages/slide";
import { Pill } from "../ui/pill";
import { drafts, isTooLong, lengthOf } from "./notes";

/** Asks before the page is left with notes that are not saved. */
function useUnsavedWarning(isUnsaved: boolean): void {
  useEffect(() => {
    const warn = (event: BeforeUnloadEvent): void => event.preventDefault();
    if (isUnsaved) {
      addEventListener("beforeunload", warn);
    }
    return () => removeEventListener("beforeunload", warn);
  }, [isUnsaved]);
}

interface Props {
  slide: SlideMessage;
  asker: Asker;
  canAsk: boolean;
}

function Editor({ slide, asker, canAsk }: Props) {
  const [, redraw] = useState(0);
  const { told, isBusy, run } = useCommand();
  const { text, isSaved } = drafts.of(slide.id, slide.notes ?? "");
  const tooLong = isTooLong(text);
  useUnsavedWarning(!isSaved);
  const save = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    if (isBusy || isSaved || tooLong || !canAsk) {
      return;
    }
    await run(
      () => asker.ask("slide.note", { text }, parseWhichSlide),
      () => say(wording.notesSaved),
    );
  };
  return (
    <form class="notes" onSubmit={(event) => void save(event)}>
      <label for="notes">{say(wording.notesLabel)}</label>
      <textarea
        id="notes"
        rows={5}
        value={text}
        aria-describedby="notes-warning notes-length"
        aria-invalid={tooLong}
        onInput={(event) => {
          drafts.write(slide.id, event.currentTarget.value);
          redraw((n) => n + 1);
        }}
      />
      <p id="notes-warning" class="caution">
        {say(wording.notesWarning)}
      </p>
      <p id="notes-length" class={tooLong ? "error" : "quiet"}>
        {tooLong ? say(wording.notesTooLong, MAX_NOTES) : say(wording.notesLength, lengthOf(text), MAX_NOTES)}
      </p>
      <div class="buttons">
        <button type="submit" class="button" aria-disabled={isBusy || isSaved || tooLong || !canAsk}>
          {say(wording.notesSave)}
        </button>
        <Pill
          id="notes-state"
          saying={
            isSaved
              ? { tone: "good", text: say(wording.notesSaved) }
              : { tone: "wait", text: say(wording.notesUnsaved) }
          }
        />
      </div>
      <ToldLine told={told?.tone === "good" ? null : told} />
    </form>
  );
}

function Closed({ slide }: { slide: SlideMessage }) {
  const { text, isSaved } = drafts.of(slide.id, slide.notes ?? "");
  return (
    <>
      {!isSaved && <p class="error">{say(wording.notesTooLate)}</p>}
      <p class="notes-text">{text === "" ? say(wording.notesNone) : text}</p>
    </>
  );
}

export function NotesCard({ slide, asker, canAsk }: Props) {
  // A draft that the board has meanwhile is none any more: another page may change the notes next.
  useEffect(() => {
    if (drafts.of(slide.id, slide.notes ?? "").isSaved) {
      drafts.drop(slide.id);
    }
  }, [slide.id, slide.notes]);
  if (slide.notes === null) {
    return null;
  }
  return (
    <section class="card notes-card" aria-labelledby="notes-title">
      <div class="head">
        <h2 id="notes-title">{say(wording.notes)}</h2>
      </div>
      {slide.closedAt ? (
        <Closed slide={slide} />
      ) : (
        <Editor key={slide.id} slide={slide} asker={asker} canAsk={canAsk} />
      )}
      <p class="notes-text print-only">{slide.notes === "" ? say(wording.notesNone) : slide.notes}</p>
    </section>
  );
}
