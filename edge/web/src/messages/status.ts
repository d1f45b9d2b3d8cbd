// `status`: whether a board is there. Retained, and the broker's will for it.

import { wire } from "../catalogue/wire";
import { fromDevice, model, oneOf, parse, text, uuid, type Model, type Parsed } from "./checks";

export type DeviceState = "online" | "offline" | "stopped";

export interface StatusMessage {
  state: DeviceState;
  device: string;
  version: string;
  model: Model;
  bootId: string;
}

export const STATUS_SCHEMA = "smearscope.status/1";

export function parseStatus(payload: Uint8Array, device: string): Parsed<StatusMessage> {
  return parse(payload, wire.statusMessage, STATUS_SCHEMA, (m) => ({
    device: fromDevice(m, device),
    state: oneOf(m["state"], "state", ["online", "offline", "stopped"]),
    version: text(m["version"], "version"),
    model: model(m["model"]),
    bootId: uuid(m["boot_id"], "boot_id"),
  }));
}
