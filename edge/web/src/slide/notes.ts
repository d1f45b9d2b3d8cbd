// Notes as they are written: what is not saved yet stays with its slide, whatever view is looked at.

import { MAX_NOTES } from "../messages/slide";

/** Unicode scalar values, as the board counts them. */
export const lengthOf = (text: string): number => [...text].length;

export const isTooLong = (text: string): boolean => lengthOf(text) > MAX_NOTES;

export class Drafts {
  private readonly drafts = new Map<string, string>();

  /** What is to be shown, and whether it is saved. */
  of(slide: string, saved: string): { text: string; isSaved: boolean } {
    const text = this.drafts.get(slide) ?? saved;
    return { text, isSaved: text === saved };
  }

  write(slide: string, text: string): void {
    this.drafts.set(slide, text);
  }

  /** The board has it; from now on its word counts. */
  drop(slide: string): void {
    this.drafts.delete(slide);
  }
}

/** As long as the page, which is about one device only. */
export const drafts = new Drafts();
