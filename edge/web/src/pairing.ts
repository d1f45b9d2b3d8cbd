// A picture and a result belong together only if they carry the same field id. They travel on two
// topics with different guarantees (a picture may be lost or thinned out, a result may be delayed),
// so either may be ahead of the other.

import type { FieldMessage } from "./messages/field";

/**
 * How long a picture that is ahead of its result waits behind the last complete pair. The two are
 * published one after the other; without this wait the boxes would blink at every field.
 */
export const WAIT_MS = 1500;

/** Results kept for a picture that is still to come. */
const KEPT_FIELDS = 32;

/** Pictures kept for a result that is still to come; decoded ones are large. */
const KEPT_PICTURES = 4;

export interface View<P> {
  picture: P | null;
  /** The result of this very picture; boxes are drawn only if it is there. */
  field: FieldMessage | null;
}

export class Pairing<P extends { fieldId: string }> {
  private readonly fields = new Map<string, FieldMessage>();
  /** In the order of arrival; the newest complete pair is never among those dropped. */
  private pictures: { picture: P; arrived: number }[] = [];

  /** `release` gets each picture that will not be shown again. */
  constructor(private readonly release: (picture: P) => void) {}

  addField(field: FieldMessage): void {
    this.fields.set(field.id, field);
    const needed = new Set(this.pictures.map(({ picture }) => picture.fieldId));
    for (const id of this.fields.keys()) {
      if (this.fields.size <= KEPT_FIELDS) {
        break;
      }
      // Maps keep the order of insertion: the first are the oldest.
      if (!needed.has(id)) {
        this.fields.delete(id);
      }
    }
    this.dropPictures();
  }

  addPicture(picture: P, now: number): void {
    this.pictures.push({ picture, arrived: now });
    this.dropPictures();
  }

  view(now: number): View<P> {
    const newest = this.pictures.at(-1);
    if (!newest) {
      return { picture: null, field: null };
    }
    const pair = this.newestPair();
    const next = this.pictures[pair + 1];
    const entry = pair >= 0 && (!next || now - next.arrived < WAIT_MS) ? this.pictures[pair]! : newest;
    return { picture: entry.picture, field: this.fields.get(entry.picture.fieldId) ?? null };
  }

  private newestPair(): number {
    return this.pictures.findLastIndex(({ picture }) => this.fields.has(picture.fieldId));
  }

  private dropPictures(): void {
    const dropped = this.pictures.splice(0, Math.max(this.newestPair(), 0));
    while (this.pictures.length > KEPT_PICTURES) {
      dropped.push(...this.pictures.splice(this.newestPair() === 0 ? 1 : 0, 1));
    }
    for (const { picture } of dropped) {
      this.release(picture);
    }
  }
}
