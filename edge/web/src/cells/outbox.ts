// Decisions on their way to the board. Of one cell there is one at a time, so that what was decided
// last is what stays; what fails is kept until it is sent again.

import type { Answer, Why } from "../ask";
import type { ReviewReceipt } from "../messages/kept";

export interface Parcel {
  /** `null`: the decision is withdrawn. */
  readonly parasitized: boolean | null;
  readonly by: string | null;
  /** Why it was not kept; `null` while it is under way. */
  readonly why: Why | null;
}

type Send = (id: string, parasitized: boolean | null, by: string | null) => Promise<Answer<ReviewReceipt>>;

export class Outbox {
  private readonly parcels = new Map<string, Parcel>();
  /** Cells of which an answer is awaited. */
  private readonly busy = new Set<string>();

  constructor(
    private readonly send: Send,
    private readonly onReceipt: (receipt: ReviewReceipt) => void,
    private readonly changed: () => void,
  ) {}

  /** What is to become of a cell; `null` where nothing is under way or has failed. */
  of(id: string): Parcel | null {
    return this.parcels.get(id) ?? null;
  }

  get size(): number {
    return this.parcels.size;
  }

  /** Those that the board did not take, the oldest first. */
  get failed(): Parcel[] {
    return [...this.parcels.values()].filter((parcel) => parcel.why !== null);
  }

  put(id: string, parasitized: boolean | null, by: string | null): void {
    // Taken out first, so that the order is that of the last decisions.
    this.parcels.delete(id);
    this.parcels.set(id, { parasitized, by, why: null });
    this.changed();
    void this.deliver(id);
  }

  /** Sends all that failed once more. */
  repeat(): void {
    for (const [id, { parasitized, by, why }] of [...this.parcels]) {
      if (why !== null) {
        this.put(id, parasitized, by);
      }
    }
  }

  private async deliver(id: string): Promise<void> {
    if (this.busy.has(id)) {
      return;
    }
    this.busy.add(id);
    let parcel = this.parcels.get(id);
    while (parcel && parcel.why === null) {
      const { parasitized, by } = parcel;
      const answer = await this.send(id, parasitized, by);
      const isLast = this.parcels.get(id) === parcel;
      if (answer.ok) {
        this.onReceipt(answer.value);
      }
      if (isLast && answer.ok) {
        this.parcels.delete(id);
      } else if (isLast && !answer.ok) {
        this.parcels.set(id, { parasitized, by, why: answer.why });
      }
      parcel = this.parcels.get(id);
    }
    this.busy.delete(id);
    this.changed();
  }
}
