// Numbers, plurals and times as each language writes them; times are those of the reader's zone.

import { language } from "./phrase";

export class Format {
  private readonly whole: Intl.NumberFormat;
  private readonly rules: Intl.PluralRules;
  private readonly moment: Intl.DateTimeFormat;
  private readonly fullMoment: Intl.DateTimeFormat;
  private readonly fixed = new Map<number, Intl.NumberFormat>();

  /** `gap` stands before a sign of percent; French never breaks the line there. */
  constructor(
    private readonly locale: string,
    private readonly gap: string,
  ) {
    this.whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
    this.rules = new Intl.PluralRules(locale);
    this.moment = new Intl.DateTimeFormat(locale, {
      day: "numeric",
      month: "short",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    this.fullMoment = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "short" });
  }

  readonly integer = (n: number): string => this.whole.format(n);

  /** Always as many decimals, so that figures that change stay where they are. */
  readonly decimal = (n: number, decimals: number): string => {
    let format = this.fixed.get(decimals);
    if (!format) {
      format = new Intl.NumberFormat(this.locale, {
        minimumFractionDigits: decimals,
        maximumFractionDigits: decimals,
      });
      this.fixed.set(decimals, format);
    }
    return format.format(n);
  };

  /** A share of 0 to 1 as whole percent. */
  readonly percent = (share: number): string => `${this.integer(Math.round(100 * share))}${this.gap}%`;

  /** What is in percent already. */
  readonly ofHundred = (percent: number, decimals: number): string =>
    `${this.decimal(percent, decimals)}${this.gap}%`;

  /** The word alone: French has one cell at 0 and at 1, English at 1 only. */
  readonly word = (n: number, one: string, many: string): string => (this.rules.select(n) === "one" ? one : many);

  readonly plural = (n: number, one: string, many: string): string => `${this.integer(n)} ${this.word(n, one, many)}`;

  /** Day, month and time to the second, for what happened lately. */
  readonly time = (at: Date): string => this.moment.format(at);

  /** With the year, for what is printed and kept. */
  readonly dateTime = (at: Date): string => this.fullMoment.format(at);
}

export const en = new Format("en-GB", " ");
export const fr = new Format("fr-FR", "\u00a0");

/** That of the language in use, for figures that stand alone. */
export const local = (): Format => (language() === "fr" ? fr : en);
