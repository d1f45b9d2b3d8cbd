// Which key does what while cells are looked at.

export type Action = "parasitized" | "uninfected" | "skip" | "back" | "undo" | "mask" | "hide" | "help";

const KEYS: ReadonlyMap<string, Action> = new Map([
  ["p", "parasitized"],
  ["u", "uninfected"],
  ["s", "skip"],
  ["arrowright", "skip"],
  ["arrowleft", "back"],
  ["z", "undo"],
  ["m", "mask"],
  ["h", "hide"],
  ["?", "help"],
]);

export interface Pressed {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  repeat: boolean;
}

/** A key that is held down must not decide on cells that nobody has seen. */
const REPEATABLE: ReadonlySet<Action> = new Set<Action>(["skip", "back"]);

/** `null` for a key that means nothing here, or that the browser has its own use for. */
export function actionOf({ key, ctrlKey, metaKey, altKey, repeat }: Pressed): Action | null {
  const action = ctrlKey || metaKey || altKey ? undefined : KEYS.get(key.toLowerCase());
  return action === undefined || (repeat && !REPEATABLE.has(action)) ? null : action;
}

/** Whether what has the keyboard takes text, or moves by arrows itself. */
export function takesKeys(tagName: string, isEditable: boolean, type: string | null): boolean {
  if (isEditable || tagName === "TEXTAREA" || tagName === "SELECT") {
    return true;
  }
  return tagName === "INPUT" && type !== "checkbox" && type !== "button";
}
