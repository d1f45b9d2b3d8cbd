// `live`: what the camera sees now, some times a second.

import { wire } from "../catalogue/wire";
import { boolean, fromDevice, MAX_REASON, number, optional, parse, text, uuid, type Parsed } from "./checks";

/** Figures are `null` where there is no frame. */
export interface LiveMessage {
  bootId: string;
  /** "running", "paused", "ended", "lost", or what a newer board says. */
  camera: string;
  /** In the unit of a field's quality. */
  focus: number | null;
  exposure: number | null;
  /** A word of the board's gate, such as "moving"; a newer board may have others. */
  verdict: string | null;
  /** The same as a sentence for the person at the microscope. */
  reason: string;
  analysing: boolean;
}

export const LIVE_SCHEMA = "smearscope.live/1";

export function parseLive(payload: Uint8Array, device: string): Parsed<LiveMessage> {
  return parse(payload, wire.liveMessage, LIVE_SCHEMA, (m) => {
    fromDevice(m, device);
    return {
      bootId: uuid(m["boot_id"], "boot_id"),
      camera: text(m["camera"], "camera"),
      focus: optional(m["focus"], (v) => number(v, "focus", 0)),
      exposure: optional(m["exposure"], (v) => number(v, "exposure", 0, 1)),
      verdict: optional(m["verdict"], (v) => text(v, "verdict")),
      reason: text(m["reason"], "reason", MAX_REASON),
      analysing: boolean(m["is_analysing"], "is_analysing"),
    };
  });
}
