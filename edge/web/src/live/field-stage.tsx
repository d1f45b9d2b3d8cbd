// The picture with its boxes: it can be pointed at, enlarged and moved, by hand and by key.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { local } from "../catalogue/format";
import { live } from "../catalogue/live";
import { say } from "../catalogue/phrase";
import { labelSpot, type Size } from "../geometry";
import type { Cell, FieldMessage } from "../messages/field";
import type { Decoded } from "../pictures";
import { followGestures, pressKey, zoomBy, type Gestures } from "./gestures";
import { Stage } from "./stage";
import { STEP, WHOLE, type Viewport } from "./viewport";
import { cellWords, countsWords } from "./words";

interface Props {
  picture: Decoded | null;
  /** The result whose boxes lie over the picture: its own or none. */
  boxed: FieldMessage | null;
  chosen: Cell | null;
  onChoose(cell: Cell | null): void;
}

interface LabelProps {
  cell: Cell;
  field: FieldMessage;
  stage: Stage;
  viewport: Viewport;
}

function Label({ cell, field, stage, viewport }: LabelProps) {
  const label = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    if (label.current) {
      const size: Size = { width: label.current.offsetWidth, height: label.current.offsetHeight };
      const { x, y } = labelSpot(stage.boxOf(cell.bbox, field, 8), size, stage.size);
      label.current.style.transform = `translate(${x}px, ${y}px)`;
    }
  }, [cell, viewport]);
  return (
    <div ref={label} class="tip" aria-hidden="true">
      {cellWords(cell)}
    </div>
  );
}

export function FieldStage({ picture, boxed, chosen, onChoose }: Props) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const overlay = useRef<HTMLCanvasElement>(null);
  const gestures = useRef<Gestures | null>(null);
  const [stage, setStage] = useState<Stage | null>(null);
  const [viewport, setViewport] = useState(WHOLE);
  // The listeners outlive each drawing of the component and must know the last one's values.
  const latest = useRef({ boxed, onChoose });
  latest.current = { boxed, onChoose };

  useEffect(() => {
    const made = new Stage(canvas.current!, overlay.current!, setViewport);
    setStage(made);
    gestures.current = followGestures(overlay.current!, made, {
      field: () => latest.current.boxed,
      point: (cell) => latest.current.onChoose(cell),
    });
    const sizes = new ResizeObserver(([entry]) => {
      if (entry && entry.contentRect.width > 0) {
        made.resize({ width: entry.contentRect.width, height: entry.contentRect.height });
      }
    });
    sizes.observe(frame.current!);
    return () => {
      sizes.disconnect();
      gestures.current?.stop();
      made.end();
    };
  }, []);

  useLayoutEffect(() => {
    stage?.show(picture, boxed);
    gestures.current?.again();
  }, [stage, picture, boxed]);
  useLayoutEffect(() => stage?.choose(chosen), [stage, chosen]);

  const described = boxed ? say(live.pictureBoxed, boxed.seq, countsWords(boxed.counts)) : say(live.pictureAlone);
  return (
    <>
      <div
        ref={frame}
        class={viewport.zoom > 1 ? "stage zoomed" : "stage"}
        style={{ aspectRatio: picture ? `${picture.bitmap.width} / ${picture.bitmap.height}` : "4 / 3" }}
        role="group"
        tabIndex={0}
        aria-label={say(live.stage)}
        aria-describedby="stage-keys"
        onKeyDown={(event) => {
          const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
          if (stage && picture && isPlain && pressKey(stage, event.key)) {
            event.preventDefault();
          }
        }}
      >
        <canvas
          id="picture"
          ref={canvas}
          role="img"
          aria-label={picture ? described : say(live.noPicture)}
          hidden={picture === null}
        />
        <canvas ref={overlay} class="overlay" aria-hidden="true" hidden={picture === null} />
        {picture === null && <p class="no-picture">{say(live.noPicture)}</p>}
        {stage && boxed && chosen && <Label cell={chosen} field={boxed} stage={stage} viewport={viewport} />}
      </div>
      <div class="stage-tools" hidden={picture === null}>
        <button
          type="button"
          class="button small"
          aria-label={say(live.zoomOut)}
          onClick={() => stage && zoomBy(stage, 1 / STEP)}
        >
          −
        </button>
        <output class="zoom">{say(live.zoomed, viewport.zoom)}</output>
        <button
          type="button"
          class="button small"
          aria-label={say(live.zoomIn)}
          onClick={() => stage && zoomBy(stage, STEP)}
        >
          +
        </button>
        <button type="button" class="button small" onClick={() => stage?.look(WHOLE)}>
          {say(live.wholeField)}
        </button>
        <p id="stage-keys" class="visually-hidden">
          {say(live.stageKeys)}
        </p>
      </div>
    </>
  );
}

export const sizeWords = ({ width, height }: Size): string => `${local().integer(width)} × ${local().integer(height)}`;
