// The page's elements. Text is set only where it differs, so that a screen reader hears a state
// once and not at every message.

import type { Saying } from "./words";

export function element<T extends Element = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) {
    throw new Error(`index.html has no element "${id}"`);
  }
  return found as unknown as T;
}

export function setText(target: HTMLElement, text: string): void {
  if (target.textContent !== text) {
    target.textContent = text;
  }
}

/** Shows a text, or nothing at all for `null`. */
export function say(target: HTMLElement, text: string | null): void {
  target.hidden = text === null;
  setText(target, text ?? "");
}

export function pill(target: HTMLElement, saying: Saying): void {
  target.dataset["tone"] = saying.tone;
  setText(target, saying.text);
}
