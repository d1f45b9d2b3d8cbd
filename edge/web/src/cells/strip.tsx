// The cells around the one that is looked at, small. One of them takes the keyboard; arrows move.

import { useEffect, useRef } from "preact/hooks";

import { say } from "../catalogue/phrase";
import { review as wording } from "../catalogue/review";
import type { DecodedCell } from "./decode";
import type { Desk } from "./desk";
import type { CellPictureStore } from "./pictures";
import { verdictWords } from "./words";

const BEHIND = 5;
const AHEAD = 13;
const SIDE = 56;

function Thumbnail({ picture }: { picture: DecodedCell | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const pen = canvas.current?.getContext("2d");
    if (pen && picture) {
      const { bitmap } = picture;
      const scale = SIDE / Math.min(bitmap.width, bitmap.height);
      const [w, h] = [bitmap.width * scale, bitmap.height * scale];
      pen.drawImage(bitmap, (SIDE - w) / 2, (SIDE - h) / 2, w, h);
    }
  }, [picture]);
  return <canvas ref={canvas} width={SIDE} height={SIDE} aria-hidden="true" hidden={!picture} />;
}

interface Props {
  desk: Desk;
  pictures: CellPictureStore<DecodedCell>;
}

export function Strip({ desk, pictures }: Props) {
  const strip = useRef<HTMLOListElement>(null);
  const { cells, position } = desk;
  useEffect(() => {
    const current = strip.current?.querySelector<HTMLElement>("[aria-current]");
    // Within the row only: the page itself must not move under the reader.
    strip.current?.scrollTo({ left: (current?.parentElement?.offsetLeft ?? 0) - 2.5 * SIDE });
    if (strip.current?.contains(document.activeElement)) {
      current?.focus({ preventScroll: true });
    }
  }, [position, cells.length]);
  const move = (event: KeyboardEvent): void => {
    const by = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (by !== 0) {
      event.preventDefault();
      desk.goTo(Math.min(position + by, cells.length - 1));
    }
  };
  const from = Math.max(position - BEHIND, 0);
  return (
    <ol ref={strip} class="cell-strip" aria-label={say(wording.strip)} onKeyDown={move}>
      {cells.slice(from, position + AHEAD).map((cell, i) => {
        const at = from + i;
        const verdict = desk.verdictOf(cell);
        const hasFailed = desk.outbox.of(cell.id)?.why != null;
        const state = pictures.of(cell.id);
        return (
          <li key={cell.id}>
            <button
              type="button"
              aria-current={at === position ? "true" : undefined}
              aria-label={say(wording.thumbnail, at + 1, verdict === null ? null : verdictWords(verdict))}
              tabIndex={at === position || (position >= cells.length && at === cells.length - 1) ? 0 : -1}
              data-verdict={hasFailed ? "failed" : verdict === null ? "none" : verdict ? "parasitized" : "uninfected"}
              onClick={() => desk.goTo(at)}
            >
              <Thumbnail picture={state.is === "here" ? state.picture : null} />
            </button>
          </li>
        );
      })}
    </ol>
  );
}
