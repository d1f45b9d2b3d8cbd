// How the page speaks: every wording stands in both languages in one entry, and the language is
// chosen when it is said.

export type Language = "en" | "fr";

export interface Phrase<T> {
  en: T;
  fr: T;
}

type Sentence<A extends unknown[]> = (...values: A) => string;

/** An entry that takes values, so that both languages are checked to take the same ones. */
export const phrase = <A extends unknown[]>(entry: Phrase<Sentence<A>>): Phrase<Sentence<A>> => entry;

let current: Language = "en";

export const language = (): Language => current;

/** Who changes it must draw the page anew. */
export function speak(chosen: Language): void {
  current = chosen;
}

export function say(entry: Phrase<string>): string;
export function say<A extends unknown[]>(entry: Phrase<Sentence<A>>, ...values: A): string;
export function say<A extends unknown[]>(entry: Phrase<string | Sentence<A>>, ...values: A): string {
  const wording = entry[current];
  const said = typeof wording === "string" ? wording : wording(...values);
  return current === "fr" ? unbroken(said) : said;
}

/** French has a space before some signs, where no line may break. */
const unbroken = (said: string): string => said.replace(/ (?=[:;?!%»])/g, "\u00a0").replace(/« /g, "«\u00a0");
