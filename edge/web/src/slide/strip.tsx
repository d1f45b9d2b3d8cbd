// The last fields that joined the count, newest first, with the pictures that this page has seen.

import { useLayoutEffect, useRef } from "preact/hooks";

import { say } from "../catalogue/phrase";
import { slide as wording } from "../catalogue/slide";
import { focusFigure } from "../live/words";
import type { RecentField } from "../messages/slide";
import type { Thumbnails } from "../thumbnails";

function Thumbnail({ bitmap }: { bitmap: ImageBitmap }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const target = canvas.current!;
    target.width = bitmap.width;
    target.height = bitmap.height;
    target.getContext("2d")?.drawImage(bitmap, 0, 0);
  }, [bitmap]);
  return <canvas ref={canvas} class="thumbnail" aria-hidden="true" />;
}

interface Props {
  recent: readonly RecentField[];
  thumbnails: Thumbnails<ImageBitmap>;
}

export function Strip({ recent, thumbnails }: Props) {
  if (recent.length === 0) {
    return null;
  }
  return (
    <section class="card no-print" aria-labelledby="strip-title">
      <div class="head">
        <h2 id="strip-title">{say(wording.lastFields)}</h2>
      </div>
      <ol class="strip">
        {recent.toReversed().map(({ seq, counts, focus }) => {
          const bitmap = thumbnails.of(seq);
          return (
            <li key={seq} data-found={counts.parasitized > 0}>
              {bitmap ? <Thumbnail bitmap={bitmap} /> : <span class="thumbnail none">{say(wording.noThumbnail)}</span>}
              <span class="strip-seq">{say(wording.fieldNumber, seq)}</span>
              <span>{say(wording.ofCells, counts.parasitized, counts.cells)}</span>
              <span class="quiet">{say(wording.focusOf, focusFigure(focus))}</span>
            </li>
          );
        })}
      </ol>
    </section>
  );
}

