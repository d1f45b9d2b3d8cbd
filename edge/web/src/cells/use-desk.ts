// The desk as a view has it. It stays while other views are looked at: a decision that the board
// did not take must not be lost with the view.

import { useEffect } from "preact/hooks";

import type { Asker } from "../ask";
import { useWatched } from "../hooks";
import { useSession, type Session } from "../session";
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

/** Lays the cells out as soon as it can be known which slide is counted, and again after a connection that was lost. */
function useOpening({ desk, pictures }: Review, { link, station }: Session, now: number): void {
  const { isConnected } = link;
  const slide = station?.slide?.value.id ?? null;
  const isKnown = slide !== null || (station?.heard(now) ?? false);
  useEffect(() => {
    const wasCut = desk.state.is === "failed" && desk.state.why.is === "disconnected";
    if (isConnected && isKnown && (desk.state.is === "empty" || wasCut)) {
      void desk.open(desk.filter, slide);
    }
  }, [desk, isConnected, isKnown, slide]);
  useEffect(() => {
    if (isConnected) {
      pictures.repeat();
    }
  }, [pictures, isConnected]);
}

export function useReview(asker: Asker, now: number): Review {
  const session = useSession();
  const review = reviewOf(asker);
  const { desk, pictures, pictureChanges } = review;
  useWatched(desk.changes);
  useWatched(pictureChanges);
  useOpening(review, session, now);
  const wanted = picturesAround(desk.cells, desk.position);
  useEffect(() => pictures.want(wanted), [pictures, wanted.join()]);
  return review;
}
