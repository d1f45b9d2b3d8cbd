// Every state in words. Kept apart from the page so that the wording can be tested and, later,
// translated.

import type { Cell, Counts, FieldMessage, LiveMessage, Overlap, Parasitemia, Quality, SlideMessage, StatusMessage } from "./messages";

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

/**
 * What the user must know before reading any figure; `null` when all is live. `lostCamera`: why
 * there is no picture, from a device whose camera is lost.
 */
export function alarmWords(
  link: LinkState,
  status: StatusMessage | null,
  heard: boolean,
  lostCamera: string | null,
): string | null {
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
      return lostCamera === null ? null : `Camera lost. ${lostCamera} The field that you see is the last one, not live.`;
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

export function cellWords({ parasitized, p, countedBefore }: Cell): string {
  const opinion = `${parasitized ? "parasitized" : "uninfected"} · p ${probability(p)}`;
  return countedBefore ? `${opinion} · counted before` : opinion;
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

/** Whoever focuses compares this figure with itself: as many decimals as are steady. */
export const focusFigure = (focus: number): string => (focus < 100 ? focus.toFixed(1) : integer(Math.round(focus)));

export const percent = (share: number): string => `${Math.round(100 * share)} %`;

/** `counts` is what was seen in the field, `counted` what of it joined the slide. */
export function countedWords({ cells, counts, counted }: FieldMessage): string {
  if (counted.cells === counts.cells && counted.parasitized === counts.parasitized) {
    return "all joined the slide's count";
  }
  const joined =
    counted.cells === 0 ? "none joined the slide's count" : `${countsWords(counted)} joined the slide's count`;
  const before = cells.filter((cell) => cell.countedBefore).length;
  return before === 0 ? joined : `${joined}; ${plural(before, "was", "were")} counted in a field before`;
}

/** How the field lies to those before it; `null` where there is nothing to say. */
export function overlapWords(overlap: Overlap | null): string | null {
  if (!overlap) {
    return null;
  }
  const seen = `${percent(overlap.share)} of it was seen in a field before`;
  const unsure = "could not be made out for certain: cells may be counted twice";
  if (overlap.share > 0) {
    return overlap.uncertain ? `${seen}; whether there is more ${unsure}` : seen;
  }
  return overlap.uncertain ? `whether it was seen in part before ${unsure}` : null;
}

/** What the board's gate says of a frame, in a word or two; its reason says what to do. */
const VERDICTS: ReadonlyMap<string, Saying> = new Map([
  ["blank", { tone: "wait", text: "Nothing in view" }],
  ["too_dark", { tone: "bad", text: "Too dark" }],
  ["too_bright", { tone: "bad", text: "Burnt out" }],
  ["out_of_focus", { tone: "bad", text: "Out of focus" }],
  ["moving", { tone: "wait", text: "Moving" }],
  ["crowded", { tone: "wait", text: "Too crowded" }],
  ["seen_before", { tone: "wait", text: "Seen before" }],
  ["new", { tone: "good", text: "New field" }],
]);

const CAMERAS: ReadonlyMap<string, Saying> = new Map([
  ["lost", { tone: "bad", text: "Camera lost" }],
  ["paused", { tone: "wait", text: "Paused" }],
  ["ended", { tone: "wait", text: "No more fields" }],
]);

/** What the camera sees, in a word or two; `null` for a word of a newer board, whose reason says it. */
export function verdictWords({ camera, verdict }: LiveMessage): Saying | null {
  return CAMERAS.get(camera) ?? VERDICTS.get(verdict ?? "") ?? null;
}

export const NO_LIVE_PICTURE = "Nothing has come from the camera for some seconds.";

/** Where a field's exposure is dim and where it is burnt out, unless the board judges it itself. */
const DIM = 0.3;
const BURNT_OUT = 0.98;

export function lightWords({ exposure, verdict }: LiveMessage): string {
  if (exposure === null) {
    return "not known";
  }
  const figure = `${percent(exposure)} of full scale`;
  if (verdict === "too_dark" || exposure < DIM) {
    return `too dark, ${figure}`;
  }
  return verdict === "too_bright" || exposure > BURNT_OUT ? `burnt out, ${figure}` : `fine, ${figure}`;
}

/** How near the focus is to the best of the last minute, `ago` milliseconds before. */
export function bestWords(focus: number | null, best: number, ago: number): string {
  const found = `Best of the last minute: ${focusFigure(best)}, ${agoWords(ago)}`;
  return focus === null || best <= 0 ? found : `${found}; now ${percent(focus / best)} of it`;
}

/** A board without a set clock still says when, by a clock that may be years off. */
export function takenWords({ capturedAt, clockSynchronised }: FieldMessage): string {
  const time = localTime(capturedAt);
  return clockSynchronised === false ? `${time}; the board's clock is not set` : time;
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

/** `age`: since it came to this page; `lag`: what the clocks say that it was under way, if both are set. */
export function receivedWords(age: number, lag: number | null): string {
  if (lag === null) {
    return agoWords(age);
  }
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
