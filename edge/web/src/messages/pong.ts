// The answer to `ping`.

import { checked, count, text, time, uuid, type Json, type Parsed } from "./checks";

export interface Pong {
  version: string;
  /** By the board's clock. */
  at: Date;
  uptimeS: number;
  bootId: string;
}

export function parsePong(result: Json): Parsed<Pong> {
  return checked(() => ({
    version: text(result["version"], "version"),
    at: time(result["at"], "at"),
    uptimeS: count(result["uptime_s"], "uptime_s"),
    bootId: uuid(result["boot_id"], "boot_id"),
  }));
}
