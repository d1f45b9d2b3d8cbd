// Language and colours: the browser's and the system's own, until the user says otherwise here.

import { speak, type Language } from "./catalogue/phrase";
import { Watched } from "./watched";

export type Theme = "light" | "dark";

const LANGUAGE_KEY = "smearscope.language";
const THEME_KEY = "smearscope.theme";

/** Fires when the user has chosen; the whole page is drawn anew. */
export const preferenceChanges = new Watched();

export function languageOf(kept: string | null, wanted: readonly string[]): Language {
  if (kept === "en" || kept === "fr") {
    return kept;
  }
  const known = wanted.map((tag) => tag.slice(0, 2).toLowerCase()).find((tag) => tag === "en" || tag === "fr");
  return known === "fr" ? "fr" : "en";
}

function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** `null` forgets. A browser that withholds its storage forgets by itself. */
function write(key: string, value: string | null): void {
  try {
    if (value === null) {
      localStorage.removeItem(key);
    } else {
      localStorage.setItem(key, value);
    }
  } catch {
    // The choice holds until the page is left.
  }
}

const systemTheme = (): Theme => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

/** What the user chose; `null`: the page follows the system. */
let chosen: Theme | null = null;

export const theme = (): Theme => chosen ?? systemTheme();

function showTheme(): void {
  document.documentElement.dataset["theme"] = theme();
  preferenceChanges.changed();
}

export function chooseLanguage(wanted: Language): void {
  write(LANGUAGE_KEY, wanted);
  speak(wanted);
  document.documentElement.lang = wanted;
  preferenceChanges.changed();
}

/** What the system has anyway is not kept, so that the page follows the system again. */
export function chooseTheme(wanted: Theme): void {
  chosen = wanted === systemTheme() ? null : wanted;
  write(THEME_KEY, chosen);
  showTheme();
}

export function restorePreferences(): void {
  const language = languageOf(read(LANGUAGE_KEY), navigator.languages);
  speak(language);
  document.documentElement.lang = language;
  const kept = read(THEME_KEY);
  chosen = kept === "light" || kept === "dark" ? kept : null;
  showTheme();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
}
