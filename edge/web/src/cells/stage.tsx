// The cell that is looked at, large.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";

import { whyWords } from "../catalogue/answers";
import { say } from "../catalogue/phrase";
import { review as wording } from "../catalogue/review";
import type { Size } from "../geometry";
import type { Box } from "../messages/checks";
import type { KeptCell } from "../messages/kept";
import type { DecodedCell } from "./decode";
import { drawCell } from "./draw";
import type { PictureState } from "./pictures";

interface Props {
  cell: KeptCell;
  /** Its number in the row, from 1. */
  number: number;
  state: PictureState<DecodedCell>;
  look: { isClose: boolean; hasOutline: boolean };
  onAgain(): void;
  /** What stands over the picture. */
  children: ComponentChildren;
}

/** Where in the picture the cell is. */
const boxIn = ({ bbox, crop }: KeptCell): Box => [bbox[0] - crop[0], bbox[1] - crop[1], bbox[2], bbox[3]];

function useSize(element: { current: HTMLElement | null }): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useEffect(() => {
    const target = element.current!;
    const observer = new ResizeObserver(() => setSize({ width: target.clientWidth, height: target.clientHeight }));
    observer.observe(target);
    return () => observer.disconnect();
  }, [element]);
  return size;
}

function Lacking({ state, onAgain }: { state: PictureState<DecodedCell>; onAgain(): void }) {
  switch (state.is) {
    case "here":
      return null;
    case "coming":
      return <p>{say(wording.coming)}</p>;
    case "missing":
      return <p>{say(wording.missing)}</p>;
    case "undecodable":
      return <p>{say(wording.undecodable)}</p>;
    case "failed":
      return (
        <div>
          <p class="error">{whyWords(state.why)}</p>
          <button type="button" class="button" onClick={onAgain}>
            {say(wording.again)}
          </button>
        </div>
      );
  }
}

export function Stage({ cell, number, state, look, onAgain, children }: Props) {
  const stage = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const size = useSize(stage);
  const picture = state.is === "here" ? state.picture : null;
  useEffect(() => {
    const target = canvas.current!;
    const pen = target.getContext("2d");
    if (!pen || size.width === 0) {
      return;
    }
    // As many pixels as the screen has, so that lines stay thin and pixels square.
    const density = window.devicePixelRatio || 1;
    target.width = Math.round(size.width * density);
    target.height = Math.round(size.height * density);
    pen.setTransform(density, 0, 0, density, 0, 0);
    if (picture) {
      drawCell(pen, picture, boxIn(cell), size, look);
    }
  }, [picture, cell, size, look.isClose, look.hasOutline]);
  return (
    <div ref={stage} class="cell-stage" data-cell={cell.id} data-picture={state.is}>
      <canvas ref={canvas} role="img" aria-label={say(wording.pictureOf, number, cell.seq)} hidden={picture === null} />
      {!picture && (
        <div class="cell-lacking">
          <Lacking state={state} onAgain={onAgain} />
        </div>
      )}
      {children}
    </div>
  );
}
