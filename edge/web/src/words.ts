// Every state in words. Kept apart from the page so that the wording can be tested and, later,
// translated.

import type { Counts, FieldMessage, Parasitemia, Quality, SlideMessage, StatusMessage } from "./messages";

export type LinkState =
  | { is: "starting" }
  | { is: "connecting"; to: string }
  | { is: "connected"; to: string }
  | { is: "lost"; to: string }
  | { is: "refused"; to: string; why: string }
  | { is: "impossible"; why: string };

export type Tone = "good" | "wait" | "bad";

export interface Saying {
  tone: Tone;
  text: string;
}

const whole = new Intl.NumberFormat("en");
const clock = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
});

export const integer = (n: number): string => whole.format(n);

export function plural(n: number, one: string, many: string): string {
  return `${integer(n)} ${n === 1 ? one : many}`;
}

export const probability = (p: number): string => p.toFixed(2);

export const localTime = (time: Date): string => clock.format(time);

export function linkWords(link: LinkState): Saying {
  switch (link.is) {
    case "starting":
      return { tone: "wait", text: "Starting" };
    case "connecting":
      return { tone: "wait", text: "Connecting to the broker" };
    case "connected":
      return { tone: "good", text: "Connected to the broker" };
    case "lost":
      return { tone: "bad", text: "No connection to the broker" };
    case "refused":
      return { tone: "bad", text: "Refused by the broker" };
    case "impossible":
      return { tone: "bad", text: "Not connected" };
  }
}

/** `heard`: whether the broker has had time to hand over a retained status. */
export function deviceWords(status: StatusMessage | null, heard: boolean): Saying {
  switch (status?.state) {
    case "online":
      return { tone: "good", text: "Device online" };
    case "offline":
      return { tone: "bad", text: "Device offline" };
    case "stopped":
      return { tone: "bad", text: "Device stopped" };
    case undefined:
      return heard
        ? { tone: "bad", text: "Device unknown to this broker" }
        : { tone: "wait", text: "Waiting for the device" };
  }
}

/** What the user must know before reading any figure; `null` when all is live. */
export function alarmWords(link: LinkState, status: StatusMessage | null, heard: boolean): string | null {
  switch (link.is) {
    case "lost":
      return `The page has no connection to the broker (${link.to}). What you see is not live. The page keeps trying.`;
    case "refused":
      return `The broker (${link.to}) refuses this page: ${link.why}. What you see is not live.`;
    case "impossible":
      return link.why;
    case "starting":
    case "connecting":
      return null;
    case "connected":
      break;
  }
  switch (status?.state) {
    case "offline":
      return "The device is offline: the broker lost it without a goodbye. What you see is not live.";
    case "stopped":
      return "The device was stopped in order. What you see is its last word, not live.";
    case "online":
      return null;
    case undefined:
      return heard ? "This broker knows no device of this name. Nothing here is live." : null;
  }
}

export interface ParasitemiaWords {
  percent: string;
  interval: string;
}

/** Estimate and interval share one number of decimals, so that they can be compared at a glance. */
export function parasitemiaWords(p: Parasitemia): ParasitemiaWords {
  const scale = p.percent > 0 ? p.percent : p.high;
  const decimals = scale >= 10 ? 1 : scale >= 0.1 ? 2 : 3;
  const f = (v: number): string => v.toFixed(decimals);
  return { percent: `${f(p.percent)} %`, interval: `95 % interval ${f(p.low)} to ${f(p.high)} %` };
}

/** How the interval was made; Wilson is a name, other methods are shown as the device calls them. */
export const method = (interval: string): string => (interval === "wilson" ? "Wilson" : interval);

export function slideWords(slide: SlideMessage): string {
  const cells = integer(slide.counts.cells);
  const needed = integer(slide.cellsNeeded);
  switch (slide.state) {
    case "insufficient":
      return `insufficient: ${cells} of ${needed} cells counted`;
    case "below_detection_limit":
      return `below the detection limit: ${cells} cells counted, and what was found can't be told from the model's false positives`;
    case "sufficient":
      return `sufficient: ${cells} cells counted, ${needed} needed`;
  }
}

export function countsWords(c: Counts): string {
  return `${plural(c.cells, "red cell", "red cells")}, ${integer(c.parasitized)} parasitized`;
}

/** How wide the cells are, and what to do where that is too little for the model. */
export function cellSizeWords({ cellDiameter, objectiveTooLow }: Quality): string {
  if (cellDiameter === null) {
    return "not known";
  }
  const wide = `${integer(Math.round(cellDiameter))} pixels wide`;
  return objectiveTooLow
    ? `only ${wide}, too few for the model: use a stronger objective or a camera with more pixels`
    : wide;
}

/** `counts` is what was seen in the field, `counted` what of it joined the slide. */
export function countedWords(field: FieldMessage): string {
  const { counts, counted } = field;
  if (counted.cells === counts.cells && counted.parasitized === counts.parasitized) {
    return "all joined the slide's count";
  }
  return counted.cells === 0 ? "none joined the slide's count" : `${countsWords(counted)} joined the slide's count`;
}

export function agoWords(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 2) {
    return "just now";
  }
  if (s < 60) {
    return `${s} s ago`;
  }
  if (s < 3600) {
    return `${Math.floor(s / 60)} min ago`;
  }
  return `${Math.floor(s / 3600)} h ago`;
}

/** Beyond it, a result that has just come is not of now, or one of the two clocks is wrong. */
const NOTABLE_LAG_MS = 10_000;

/** `age`: since it came to this page; `lag`: what the clocks say that it was under way. */
export function receivedWords(age: number, lag: number): string {
  const seconds = integer(Math.round(Math.abs(lag) / 1000));
  if (lag > NOTABLE_LAG_MS) {
    return `${agoWords(age)}, ${seconds} s after it was taken`;
  }
  return lag < -NOTABLE_LAG_MS
    ? `${agoWords(age)}; the device's clock is ${seconds} s ahead of this computer's`
    : agoWords(age);
}

/** Which of picture and result is ahead, and whether the boxes fit what is seen. */
export function pairWords(
  picture: { fieldId: string } | null,
  field: FieldMessage | null,
  latest: FieldMessage | null,
): string {
  if (!picture) {
    return latest
      ? `The result of field ${integer(latest.seq)} is here; its picture is still to come.`
      : "Waiting for the first field.";
  }
  if (!field) {
    if (!latest) {
      return "A picture is here, its result is not: no boxes yet.";
    }
    // Ids are UUIDv7: their order is the order in time.
    return picture.fieldId > latest.id
      ? `The picture is newer than the newest result (field ${integer(latest.seq)}): no boxes until its own result comes.`
      : `The picture is older than the newest result (field ${integer(latest.seq)}) and its own result is not here: no boxes.`;
  }
  if (latest && latest.id !== field.id) {
    return `Picture and boxes: field ${integer(field.seq)}. The result of field ${integer(latest.seq)} is newer; its picture is still to come.`;
  }
  return `Picture and boxes: field ${integer(field.seq)}.`;
}
