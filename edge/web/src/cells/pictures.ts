// Pictures of cells: asked for in batches, the next ones ahead, and kept as long as there is room.

import type { Answer, Why } from "../ask";
import { MAX_PICTURES, type CellPicture, type CellPictures } from "../messages/kept";

/** So many are kept decoded: some pages back and forth. */
export const ROOM = 48;
/** Two batches under way keep the line busy and leave the board room for decisions. */
const MAX_BATCHES = 2;
/** The one that is looked at must not wait until seven others have come with it. */
const FIRST_BATCH = 2;
/** So few that lie further ahead are not worth a command; some steps later there are more. */
const WORTHWHILE = 4;
/** So many of the most urgent are worth one anyway. */
const URGENT = 6;

export type PictureState<P> =
  | { is: "here"; picture: P }
  | { is: "coming" }
  /** The board doesn't have it any more. */
  | { is: "missing" }
  | { is: "undecodable" }
  | { is: "failed"; why: Why };

interface Decoder<P> {
  /** Rejects what is no picture. */
  decode(picture: CellPicture): Promise<P>;
  release(picture: P): void;
}

export class CellPictureStore<P> {
  /** In the order in which they were looked at, the last one last. */
  private readonly states = new Map<string, PictureState<P>>();
  private wanted: readonly string[] = [];
  private batches = 0;

  constructor(
    private readonly get: (ids: readonly string[]) => Promise<Answer<CellPictures>>,
    private readonly decoder: Decoder<P>,
    private readonly changed: () => void,
  ) {}

  of(id: string): PictureState<P> {
    return this.states.get(id) ?? { is: "coming" };
  }

  /** Those that are to be here, the most urgent first. */
  want(ids: readonly string[]): void {
    this.wanted = [...new Set(ids)].slice(0, ROOM);
    for (const id of [...this.wanted].reverse()) {
      const state = this.states.get(id);
      if (state) {
        this.put(id, state);
      }
    }
    this.pump();
  }

  /** Asks once more for all that failed. */
  repeat(): void {
    for (const [id, state] of [...this.states]) {
      if (state.is === "failed") {
        this.states.delete(id);
      }
    }
    this.pump();
    this.changed();
  }

  private pump(): void {
    while (this.batches < MAX_BATCHES) {
      const lacking = this.wanted.filter((id) => !this.states.has(id));
      const isUrgent = lacking.some((id) => this.wanted.indexOf(id) < URGENT);
      if (!isUrgent && lacking.length < WORTHWHILE) {
        return;
      }
      void this.fetch(lacking.slice(0, lacking[0] === this.wanted[0] ? FIRST_BATCH : MAX_PICTURES));
    }
  }

  private async fetch(ids: readonly string[]): Promise<void> {
    this.batches += 1;
    ids.forEach((id) => this.put(id, { is: "coming" }));
    const answer = await this.get(ids);
    // A board that gives none at all would be asked for ever.
    const later = answer.ok && answer.value.cells.length > 0 ? answer.value.later : [];
    for (const id of ids) {
      if (later.includes(id)) {
        this.states.delete(id);
        continue;
      }
      this.put(id, answer.ok ? await this.decoded(id, answer.value) : { is: "failed", why: answer.why });
    }
    this.batches -= 1;
    this.changed();
    this.pump();
  }

  private async decoded(id: string, { cells }: CellPictures): Promise<PictureState<P>> {
    const found = cells.find((cell) => cell.id === id);
    if (!found) {
      return { is: "missing" };
    }
    try {
      return { is: "here", picture: await this.decoder.decode(found) };
    } catch {
      return { is: "undecodable" };
    }
  }

  private put(id: string, state: PictureState<P>): void {
    this.states.delete(id);
    this.states.set(id, state);
    for (const [old, { is }] of this.states) {
      if (this.states.size <= ROOM) {
        return;
      }
      if (is !== "coming" && !this.wanted.includes(old)) {
        this.drop(old);
      }
    }
  }

  private drop(id: string): void {
    const state = this.states.get(id);
    this.states.delete(id);
    if (state?.is === "here") {
      this.decoder.release(state.picture);
    }
  }
}
