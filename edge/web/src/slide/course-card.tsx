// The estimate converging, with its interval; the same in words and as a table.

import { local } from "../catalogue/format";
import { say } from "../catalogue/phrase";
import { slide as wording } from "../catalogue/slide";
import { useWidth } from "../hooks";
import type { CoursePoint, SlideMessage } from "../messages/slide";
import { drawCourse } from "./course";
import { courseWords, decimalsFor } from "./words";

const HEIGHT = 220;
const MARGINS = { left: 44, right: 16, top: 12, bottom: 40 };

function Drawing({ slide, width }: { slide: SlideMessage; width: number }) {
  const limit = slide.detectionLimit?.percent ?? null;
  const drawing = drawCourse(slide.course, slide.cellsNeeded, limit, { width, height: HEIGHT }, MARGINS);
  const last = slide.course.at(-1);
  if (!drawing || !last) {
    return null;
  }
  const { x, y } = drawing;
  const [right, floor] = [width - MARGINS.right, HEIGHT - MARGINS.bottom];
  const needed = drawing.left(slide.cellsNeeded);
  return (
    <svg viewBox={`0 0 ${width} ${HEIGHT}`} role="img" aria-label={courseWords(slide.course)}>
      {y.ticks.map((tick) => (
        <g key={tick} class="tick">
          <path class="grid" d={`M${MARGINS.left} ${drawing.height(tick)}H${right}`} />
          <text x={MARGINS.left - 6} y={drawing.height(tick) + 4} text-anchor="end">
            {local().decimal(tick, y.decimals)}
          </text>
        </g>
      ))}
      {x.ticks.map((tick) => (
        <g key={tick} class="tick">
          <path d={`M${drawing.left(tick)} ${floor}v5`} />
          <text x={drawing.left(tick)} y={floor + 18} text-anchor={tick === x.top ? "end" : "middle"}>
            {local().integer(tick)}
          </text>
        </g>
      ))}
      <text class="axis-name" x={(MARGINS.left + right) / 2} y={HEIGHT - 4} text-anchor="middle">
        {say(wording.cellsCounted)}
      </text>
      <path class="course-band" d={drawing.band} />
      <path class="course-needed" d={`M${needed} ${MARGINS.top}V${floor}`} />
      {limit !== null && (
        <path class="course-limit" d={`M${MARGINS.left} ${drawing.height(limit)}H${right}`} />
      )}
      <path class="course-line" d={drawing.line} />
      <circle class="course-now" cx={drawing.left(last.cells)} cy={drawing.height(last.percent)} r={4} />
    </svg>
  );
}

function Table({ course }: { course: readonly CoursePoint[] }) {
  const { integer, decimal, ofHundred } = local();
  return (
    <details class="no-print">
      <summary>{say(wording.asTable)}</summary>
      <div class="table-box">
        <table>
          <thead>
            <tr>
              <th scope="col">{say(wording.fields)}</th>
              <th scope="col">{say(wording.cells)}</th>
              <th scope="col">{say(wording.parasitized)}</th>
              <th scope="col">{say(wording.parasitemia)}</th>
              <th scope="col">{say(wording.intervalName)}</th>
            </tr>
          </thead>
          <tbody>
            {course.map((point) => {
              const decimals = decimalsFor(point);
              return (
                <tr key={point.fields}>
                  <td>{integer(point.fields)}</td>
                  <td>{integer(point.cells)}</td>
                  <td>{integer(point.parasitized)}</td>
                  <td>{ofHundred(point.percent, decimals)}</td>
                  <td>{say(wording.range, decimal(point.low, decimals), decimal(point.high, decimals))}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </details>
  );
}

export function CourseCard({ slide }: { slide: SlideMessage }) {
  const { ref, width } = useWidth();
  if (slide.course.length < 2) {
    return null;
  }
  return (
    <section class="card course-card" aria-labelledby="course-title">
      <div class="head">
        <h2 id="course-title">{say(wording.courseTitle)}</h2>
      </div>
      <div ref={ref} class="course">
        {width > 0 && <Drawing slide={slide} width={width} />}
      </div>
      <ul class="course-key">
        <li class="key-line">{say(wording.keyEstimate)}</li>
        <li class="key-band">{say(wording.keyInterval)}</li>
        <li class="key-needed">{say(wording.keyNeeded)}</li>
        {slide.detectionLimit && <li class="key-limit">{say(wording.keyLimit)}</li>}
      </ul>
      <Table course={slide.course} />
    </section>
  );
}
