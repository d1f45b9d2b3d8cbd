// The reviewer's desk: which cells lie on it, which one is looked at, what was decided and can be
// undone. No DOM, no network of its own.

import type { Why } from "../ask";
import type { Decision, KeptCell, ReviewReceipt } from "../messages/kept";
import type { Reviewed } from "../messages/slide";
import { Watched } from "../watched";
import { Outbox } from "./outbox";
import type { CellQuery, CellSource } from "./source";

export type Scope = "slide" | "all";
export type Decided = "undecided" | "decided" | "any";
export type Reason = "any" | "suspicious" | "threshold" | "random" | "novel";

export interface Filter {
  scope: Scope;
  decided: Decided;
  reason: Reason;
}

/** How many cells there are and how many of them are decided, whatever is filtered. */
export interface Progress {
  decided: number;
  total: number;
}

/** The reviewer's count of a slide, as a decision was answered with it. */
export interface Count {
  slide: string;
  reviewed: Reviewed | null;
  /** In the time of the page. */
  at: number;
}

export type DeskState = { is: "empty" } | { is: "loading" } | { is: "failed"; why: Why } | { is: "ready" };

const PAGE = 100;
/** So near to the end of what is here the next page is asked for. */
const NEAR_END = 12;
/** More than anybody looks at in one go; the memory must not fill. */
const MAX_CELLS = 2000;
const MAX_UNDO = 200;

interface Step {
  id: string;
  /** What stood before. */
  before: Pick<Decision, "parasitized" | "by"> | null;
}

export class Desk {
  readonly changes = new Watched();
  readonly outbox: Outbox;
  filter: Filter = { scope: "slide", decided: "undecided", reason: "any" };
  state: DeskState = { is: "empty" };
  cells: KeptCell[] = [];
  /** Of `cells`; as many as there are where all were looked at. */
  position = 0;
  /** How many fit the filter, as far as the board has said. */
  total = 0;
  more = false;
  progress: Progress | null = null;
  count: Count | null = null;
  /** The slide whose cells these are; `null` for all slides. */
  slide: string | null = null;
  private steps: Step[] = [];
  /** Counts the loads, so that an answer that comes late is told from that of the last. */
  private load = 0;
  private isLoadingMore = false;

  constructor(
    private readonly source: CellSource,
    private readonly now: () => number,
  ) {
    this.outbox = new Outbox(
      (id, parasitized, by) => source.review(id, parasitized, by),
      (receipt) => this.take(receipt),
      () => this.changes.changed(),
    );
  }

  get current(): KeptCell | null {
    return this.cells[this.position] ?? null;
  }

  get canUndo(): boolean {
    return this.steps.length > 0;
  }

  /** Lays out the cells anew. `slide`: the one that is counted now. */
  async open(filter: Filter, slide: string | null): Promise<void> {
    this.load += 1;
    const { load } = this;
    this.filter = filter;
    this.slide = filter.scope === "slide" ? slide : null;
    this.state = { is: "loading" };
    this.isLoadingMore = false;
    this.changes.changed();
    const [page, all, decided] = await Promise.all([
      this.source.list(this.query({ limit: PAGE })),
      this.source.list({ ...this.scope(), limit: 1 }),
      this.source.list({ ...this.scope(), decided: true, limit: 1 }),
    ]);
    if (load !== this.load) {
      return;
    }
    if (!page.ok) {
      this.state = { is: "failed", why: page.why };
    } else {
      this.state = { is: "ready" };
      this.cells = page.value.cells;
      this.total = page.value.total;
      this.more = page.value.more;
      this.position = 0;
      this.steps = [];
      this.progress = all.ok && decided.ok ? { total: all.value.total, decided: decided.value.total } : null;
    }
    this.changes.changed();
  }

  /** Looks at the cell there; behind the last one is the end. */
  goTo(position: number): void {
    this.position = Math.min(Math.max(position, 0), this.cells.length);
    this.changes.changed();
    void this.loadMore();
  }

  step(by: number): void {
    this.goTo(this.position + by);
  }

  /** Decides on the cell that is looked at, and goes on without waiting for the board. */
  decide(parasitized: boolean, by: string | null): void {
    const cell = this.current;
    if (cell) {
      this.write(cell, parasitized, by);
      this.step(1);
    }
  }

  /** Takes the decision on the cell that is looked at back. */
  withdraw(by: string | null): void {
    const cell = this.current;
    if (cell && this.verdictOf(cell) !== null) {
      this.write(cell, null, by);
    }
  }

  /** Goes back to the last cell that was decided on, and to what stood there before. */
  undo(): void {
    const step = this.steps.pop();
    const position = this.cells.findIndex((cell) => cell.id === step?.id);
    if (!step || position < 0) {
      return;
    }
    this.outbox.put(step.id, step.before?.parasitized ?? null, step.before?.by ?? null);
    this.goTo(position);
  }

  /** What stands of a cell: what is under way, else what the board has; `null` where that is nothing. */
  verdictOf(cell: KeptCell): boolean | null {
    const parcel = this.outbox.of(cell.id);
    return parcel ? parcel.parasitized : (cell.decision?.parasitized ?? null);
  }

  private write(cell: KeptCell, parasitized: boolean | null, by: string | null): void {
    const parcel = this.outbox.of(cell.id);
    const verdict = this.verdictOf(cell);
    const before = verdict === null ? null : { parasitized: verdict, by: parcel ? parcel.by : (cell.decision?.by ?? null) };
    this.steps = [...this.steps, { id: cell.id, before }].slice(-MAX_UNDO);
    this.outbox.put(cell.id, parasitized, by);
  }

  private scope(): { slide?: string } {
    return this.slide === null ? {} : { slide: this.slide };
  }

  private query(more: { limit: number; after?: string }): CellQuery {
    const { decided, reason } = this.filter;
    return {
      ...this.scope(),
      ...(decided === "any" ? {} : { decided: decided === "decided" }),
      ...(reason === "any" ? {} : { reason }),
      ...more,
    };
  }

  private async loadMore(): Promise<void> {
    const after = this.cells.at(-1)?.id;
    const isNear = this.position >= this.cells.length - NEAR_END;
    if (!isNear || !this.more || this.isLoadingMore || after === undefined || this.cells.length >= MAX_CELLS) {
      return;
    }
    const { load } = this;
    this.isLoadingMore = true;
    const page = await this.source.list(this.query({ limit: PAGE, after }));
    if (load !== this.load) {
      return;
    }
    this.isLoadingMore = false;
    // One that fails is asked for again with the next step.
    if (page.ok) {
      const known = new Set(this.cells.map(({ id }) => id));
      this.cells = [...this.cells, ...page.value.cells.filter(({ id }) => !known.has(id))];
      this.more = page.value.more;
      this.changes.changed();
    }
  }

  private take({ id, decision, slide, reviewed }: ReviewReceipt): void {
    const before = this.cells.find((cell) => cell.id === id);
    if (before) {
      this.cells = this.cells.map((cell) => (cell.id === id ? { ...cell, decision } : cell));
    }
    if (before && this.progress) {
      const change = Number(decision !== null) - Number(before.decision !== null);
      this.progress = { ...this.progress, decided: this.progress.decided + change };
    }
    if (slide !== null) {
      this.count = { slide, reviewed, at: this.now() };
    }
  }
}

/** Which pictures are to be here: the one that is looked at, the next ones, those around it. */
export function picturesAround(cells: readonly KeptCell[], position: number): string[] {
  const ahead = cells.slice(position, position + 14);
  const behind = cells.slice(Math.max(position - 6, 0), position).reverse();
  return [...ahead.slice(0, 5), ...behind.slice(0, 1), ...ahead.slice(5), ...behind.slice(1)].map(({ id }) => id);
}

/** The reviewer's count that was told last: with an answer, or with the slide's own message. */
export function latestReviewed(
  slide: { id: string; reviewed: Reviewed | null; at: number } | null,
  count: Count | null,
): Reviewed | null {
  if (slide && count?.slide === slide.id && count.at > slide.at) {
    return count.reviewed;
  }
  return slide?.reviewed ?? null;
}
