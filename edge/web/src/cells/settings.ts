// What a reviewer sets up once: a name, and whether single keys decide.

import type { Store } from "../credentials";

export interface Settings {
  /** "" where the reviewer gives none. */
  name: string;
  shortcuts: boolean;
}

const NAME_KEY = "smearscope.reviewer";
const SHORTCUTS_KEY = "smearscope.shortcuts";

/** As many characters as a board takes. */
export const MAX_NAME = 64;

/** Characters as people count them: a board counts Unicode scalar values. */
export const shorten = (name: string): string => [...name].slice(0, MAX_NAME).join("");

/** `open` because a browser that withholds its storage throws where it is only named. */
export function readSettings(open: () => Store): Settings {
  try {
    const store = open();
    return { name: shorten(store.getItem(NAME_KEY) ?? ""), shortcuts: store.getItem(SHORTCUTS_KEY) !== "off" };
  } catch {
    return { name: "", shortcuts: true };
  }
}

export function writeSettings(open: () => Store, { name, shortcuts }: Settings): void {
  try {
    const store = open();
    store.setItem(NAME_KEY, shorten(name));
    store.setItem(SHORTCUTS_KEY, shortcuts ? "on" : "off");
  } catch {
    // They hold until the page is left.
  }
}

/** What goes along with a decision; `null` where there is no name. */
export function signatureOf({ name }: Settings): string | null {
  return shorten(name.trim()) || null;
}
