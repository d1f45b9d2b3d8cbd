// Small pictures of the last fields, by the number that a slide's list of recent fields has for
// them. A picture names its field's id only, so the number comes with the result.

import type { FieldMessage } from "./messages/field";

/** As many as a slide's list has, and some that came before their result. */
const KEPT = 32;

export class Thumbnails<P> {
  private readonly pictures = new Map<string, P>();
  private readonly seqs = new Map<string, number>();

  /** `release` gets each picture that is not kept any more. */
  constructor(private readonly release: (picture: P) => void) {}

  add(fieldId: string, picture: P): void {
    const before = this.pictures.get(fieldId);
    if (before !== undefined) {
      this.release(before);
      this.pictures.delete(fieldId);
    }
    this.pictures.set(fieldId, picture);
    for (const [id, old] of this.pictures) {
      if (this.pictures.size <= KEPT) {
        break;
      }
      this.pictures.delete(id);
      this.release(old);
    }
  }

  addField({ id, seq }: Pick<FieldMessage, "id" | "seq">): void {
    this.seqs.delete(id);
    this.seqs.set(id, seq);
    for (const old of this.seqs.keys()) {
      if (this.seqs.size <= KEPT) {
        break;
      }
      this.seqs.delete(old);
    }
  }

  /** That of field `seq`; where a board began to count anew, the last one of that number. */
  of(seq: number): P | null {
    let found: P | null = null;
    for (const [id, number] of this.seqs) {
      if (number === seq) {
        found = this.pictures.get(id) ?? null;
      }
    }
    return found;
  }
}
