// A board's state in words, for the fleet and the device alike.

import { board as wording, wordOf } from "../catalogue/board";
import { drift as driftWording } from "../catalogue/drift";
import { local } from "../catalogue/format";
import { say } from "../catalogue/phrase";
import type { Seen } from "../fleet";
import type { Drift, Measure } from "../messages/health";
import type { ModelMessage } from "../messages/model";
import type { DeviceState } from "../messages/status";
import { agoWords, type Saying, type Tone } from "../words";

const MOST_DECIMALS = 4;

const STATE_TONES: Record<DeviceState, Tone> = { online: "good", offline: "bad", stopped: "wait" };

/** A page that hears nothing knows only how the board was. */
export function stateWords(state: DeviceState, isConnected: boolean): Saying {
  const words = say(wording[state]);
  return isConnected ? { tone: STATE_TONES[state], text: words } : { tone: "wait", text: say(wording.was, words) };
}

/** Why a board takes no commands from this page; `null` where it does. */
export function awayWords(state: DeviceState, isConnected: boolean): string | null {
  if (!isConnected) {
    return say(wording.noConnection);
  }
  return state === "online" ? null : say(wording.away);
}

export function cameraWords(camera: string): Saying {
  const tone = camera === "running" ? "good" : camera === "lost" ? "bad" : "wait";
  return { tone, text: say(wordOf(wording.cameras, camera)) };
}

export const bytesWords = (n: number): string => say(wording.bytes, n);

export const modelWords = (name: string, version: string): string => say(wording.model, name, version);

/** What becomes of the desired model; `null` where there is none. */
export function updateWords({ update, watch }: ModelMessage): Saying | null {
  if (!update) {
    return null;
  }
  const text = say(wordOf(wording.updates, update.state));
  switch (update.state) {
    case "installed":
      return { tone: "good", text };
    case "receiving":
      return { tone: "wait", text: say(wording.receivedShare, update.size > 0 ? update.received / update.size : 0) };
    case "watching":
      return { tone: "wait", text: watch ? say(wording.watched, watch.cells, watch.cellsNeeded) : text };
    case "refused":
    case "rolled_back":
      return { tone: "bad", text };
    default:
      return { tone: "wait", text };
  }
}

/** Whether the model fits the slides, in a word or two. */
export const driftWords = ({ state }: Drift): Saying => ({
  tone: state === "fits" ? "good" : "wait",
  text: say(wordOf(driftWording.states, state)),
});

/** What that is judged from. */
export const judgedWords = ({ state, fields, cells }: Drift): string =>
  state === "too_few" ? say(driftWording.tooFew, cells) : say(driftWording.judged, cells, fields);

/** A measure and its usual range, with so many decimals that they can be told apart, whatever their unit. */
export function measureWords({ value, low, high }: Measure): { value: string; range: string } {
  const scale = Math.abs(high - low) || Math.abs(value);
  const decimals = scale > 0 ? Math.min(Math.max(2 - Math.floor(Math.log10(scale)), 0), MOST_DECIMALS) : 0;
  const { decimal } = local();
  return { value: decimal(value, decimals), range: say(driftWording.range, decimal(low, decimals), decimal(high, decimals)) };
}

export function seenWords(seen: Seen | null, now: number): string {
  switch (seen?.by) {
    case "page":
      return agoWords(now - seen.at);
    case "board":
      return say(wording.seenByOwnClock, local().time(seen.at));
    case undefined:
      return say(wording.seenNever);
  }
}
