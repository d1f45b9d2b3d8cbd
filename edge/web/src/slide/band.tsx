// The figure and how sure it is, on a scale: the machine's, beside it the reviewed and the
// corrected one, and the limit of detection across them.

import { local } from "../catalogue/format";
import { say, type Phrase } from "../catalogue/phrase";
import { slide as wording } from "../catalogue/slide";
import { useWidth } from "../hooks";
import type { Parasitemia, SlideMessage } from "../messages/slide";
import { scaleFor } from "./scale";
import { bandWords } from "./words";

interface Row {
  name: Phrase<string>;
  value: Parasitemia;
  kind: "machine" | "reviewed" | "corrected";
}

/** So that the marks at both ends have room. */
const MARGIN = 14;
const ROW = 40;
const AXIS = 22;
const LIMIT = 20;

/** About the width of a letter. */
const LETTER = 7.2;

/** Where a text begins that is to stand over `x` and within the drawing. */
function textStart(text: string, x: number, width: number): number {
  const length = text.length * LETTER;
  return Math.max(Math.min(x - length / 2, width - length), 0);
}

function rowsOf({ parasitemia, reviewed, corrected }: SlideMessage): Row[] {
  const rows: Row[] = [];
  if (parasitemia) {
    rows.push({ name: wording.byMachine, value: parasitemia, kind: "machine" });
  }
  if (reviewed) {
    rows.push({ name: wording.byReviewer, value: reviewed.parasitemia, kind: "reviewed" });
  }
  if (corrected) {
    rows.push({ name: wording.byCorrection, value: corrected, kind: "corrected" });
  }
  return rows;
}

export function Band({ slide }: { slide: SlideMessage }) {
  const { ref, width } = useWidth();
  const rows = rowsOf(slide);
  if (rows.length === 0) {
    return null;
  }
  const limit = slide.detectionLimit?.percent ?? null;
  const most = Math.max(...rows.map(({ value }) => value.high), limit ?? 0);
  const scale = scaleFor(most * 1.05, width < 400 ? 3 : 5);
  const x = (percent: number): number => MARGIN + (percent / scale.top) * (width - 2 * MARGIN);
  const top = limit === null ? 0 : LIMIT;
  const floor = top + rows.length * ROW;
  return (
    <div ref={ref} class="band">
      {width > 0 && (
        <svg viewBox={`0 0 ${width} ${floor + AXIS}`} role="img" aria-label={bandWords(slide)}>
          {rows.map(({ name, value, kind }, i) => {
            const y = top + i * ROW;
            return (
              <g key={kind} class={`band-${kind}`}>
                <text x={MARGIN} y={y + 13} class="band-name">
                  {say(name)}
                </text>
                <rect
                  class="band-range"
                  x={x(value.low)}
                  y={y + 19}
                  width={Math.max(x(value.high) - x(value.low), 2)}
                  height={14}
                  rx={2}
                />
                <path class="band-mark" d={`M${x(value.percent)} ${y + 16}v20m0 -16l6 6l-6 6l-6 -6z`} />
              </g>
            );
          })}
          {limit !== null && (
            <g class="band-limit">
              <path d={`M${x(limit)} ${top - 4}V${floor}`} />
              <text x={textStart(say(wording.limitMark, limit), x(limit), width)} y={top - 8}>
                {say(wording.limitMark, limit)}
              </text>
            </g>
          )}
          <path class="axis" d={`M${MARGIN} ${floor}H${width - MARGIN}`} />
          {scale.ticks.map((tick) => (
            <g key={tick} class="tick">
              <path d={`M${x(tick)} ${floor}v5`} />
              <text x={x(tick)} y={floor + 18} text-anchor="middle">
                {local().decimal(tick, scale.decimals)}
              </text>
            </g>
          ))}
        </svg>
      )}
    </div>
  );
}
