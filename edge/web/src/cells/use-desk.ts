// The desk as a view has it. It stays while other views are looked at: a decision that the board
// did not take must not be lost with the view.

import { useEffect } from "preact/hooks";

import type { Asker } from "../ask";
import { useWatched } from "../hooks";
import { useSession } from "../session";
import type { Station } from "../station";
import { Watched } from "../watched";
import { decodeCell, releaseCell, type DecodedCell } from "./decode";
import { Desk, picturesAround } from "./desk";
import { CellPictureStore } from "./pictures";
import { sourceOf } from "./source";

export interface Review {
  readonly desk: Desk;
  readonly pictures: CellPictureStore<DecodedCell>;
  /** Fires when a picture has come, or could not. */
  readonly pictureChanges: Watched;
}

const reviews = new WeakMap<Asker, Review>();

function reviewOf(asker: Asker): Review {
  const known = reviews.get(asker);
  if (known) {
    return known;
  }
  const source = sourceOf(asker);
  const pictureChanges = new Watched();
  const review = {
    desk: new Desk(source, () => performance.now()),
    pictures: new CellPictureStore(
      source.pictures,
      { decode: decodeCell, release: releaseCell },
      () => pictureChanges.changed(),
    ),
    pictureChanges,
  };
  reviews.set(asker, review);
  // Whoever closes the page is asked first, while decisions are on their way or were not taken.
  addEventListener("beforeunload", (event) => {
    if (review.desk.outbox.size > 0) {
      event.preventDefault();
    }
  });
  return review;
}

/** Why a list that failed is worth asking for again once the board is there. */
const PASSING: ReadonlySet<string> = new Set(["disconnected", "silent"]);

/** Lays the cells out as soon as the board is there and it is known which slide it counts; again after it was away. */
function useOpening({ desk, pictures }: Review, station: Station | null, isThere: boolean, now: number): void {
  const slide = station?.slide?.value.id ?? null;
  const isReady = isThere && (slide !== null || (station?.heard(now) ?? false));
  useEffect(() => {
    const wasCut = desk.state.is === "failed" && PASSING.has(desk.state.why.is);
    if (isReady && (desk.state.is === "empty" || wasCut)) {
      void desk.open(desk.filter, slide);
    }
  }, [desk, isReady, slide]);
  useEffect(() => {
    if (isThere) {
      pictures.repeat();
    }
  }, [pictures, isThere]);
}

/** `isThere`: whether the board can answer. */
export function useReview(asker: Asker, isThere: boolean, now: number): Review {
  const { station } = useSession();
  const review = reviewOf(asker);
  const { desk, pictures, pictureChanges } = review;
  useWatched(desk.changes);
  useWatched(pictureChanges);
  useOpening(review, station, isThere, now);
  const wanted = picturesAround(desk.cells, desk.position);
  useEffect(() => pictures.want(wanted), [pictures, wanted.join()]);
  return review;
}
