// Where kept cells come from and where decisions on them go: the commands of a board.

import type { Answer, Asker } from "../ask";
import {
  parseCellPage,
  parseCellPictures,
  parseReviewReceipt,
  type CellPage,
  type CellPictures,
  type ReviewReceipt,
} from "../messages/kept";

/** What is not given is not asked for. */
export interface CellQuery {
  slide?: string;
  decided?: boolean;
  reason?: string;
  after?: string;
  limit: number;
}

export interface CellSource {
  list(query: CellQuery): Promise<Answer<CellPage>>;
  pictures(ids: readonly string[]): Promise<Answer<CellPictures>>;
  /** `parasitized: null` withdraws a decision. */
  review(id: string, parasitized: boolean | null, by: string | null): Promise<Answer<ReviewReceipt>>;
}

export function sourceOf(asker: Asker): CellSource {
  return {
    list: (query) => asker.ask("cells.list", { ...query }, parseCellPage),
    pictures: (ids) => asker.ask("cells.get", { ids }, parseCellPictures),
    review: (id, parasitized, by) => {
      const verdict = parasitized === null ? null : parasitized ? "parasitized" : "uninfected";
      return asker.ask("cells.review", { id, verdict, ...(by === null ? {} : { by }) }, parseReviewReceipt);
    },
  };
}
