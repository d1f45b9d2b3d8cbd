// Which model decides on a board, what becomes of the desired one, and what happened with models.

import { answers } from "../catalogue/answers";
import {
  checked,
  count,
  fromDevice,
  list,
  MAX_REASON,
  number,
  object,
  optional,
  parse,
  text,
  time,
  uuid,
  type Json,
  type Parsed,
} from "./checks";

/** A model with the SHA-256 of its file, which alone says for certain which one it is. */
export interface ModelRef {
  name: string;
  version: string;
  sha256: string;
}

export interface ModelUpdate {
  sha256: string;
  size: number;
  received: number;
  /** "receiving", "checking", "switching", "watching", "installed", "refused", "rolled_back", or what a newer board says. */
  state: string;
  at: Date;
  reason: string | null;
}

export interface ModelWatch {
  cells: number;
  cellsNeeded: number;
  share: number | null;
  shareBefore: number | null;
}

export interface ModelMessage {
  bootId: string;
  current: ModelRef;
  /** "program", "file", "installed", or what a newer board says. */
  origin: string;
  /** What a rollback goes back to. */
  previous: ModelRef | null;
  watch: ModelWatch | null;
  signedAt: Date | null;
  update: ModelUpdate | null;
}

export interface KeptModel {
  model: ModelRef;
  origin: string;
  /** "current", "previous", "kept", or what a newer board says. */
  use: string;
}

export interface ModelEvent {
  at: Date;
  /** "taken", "stood", "refused", "rolled_back", "damaged", or what a newer board says. */
  kind: string;
  sha256: string;
  /** `null` where the card was not known. */
  model: string | null;
  reason: string | null;
}

export const MODEL_SCHEMA = "smearscope.model/1";

const MAX_MODELS = 100;
const MAX_EVENTS = 500;

export function modelRef(value: unknown, path: string): ModelRef {
  const m = object(value, path);
  return {
    name: text(m["name"], `${path}.name`),
    version: text(m["version"], `${path}.version`),
    sha256: text(m["sha256"], `${path}.sha256`),
  };
}

function update(value: unknown): ModelUpdate {
  const u = object(value, "update");
  return {
    sha256: text(u["sha256"], "update.sha256"),
    size: count(u["size"], "update.size"),
    received: count(u["received"], "update.received"),
    state: text(u["state"], "update.state"),
    at: time(u["at"], "update.at"),
    reason: optional(u["reason"], (v) => text(v, "update.reason", MAX_REASON)),
  };
}

function watch(value: unknown): ModelWatch {
  const w = object(value, "watch");
  return {
    cells: count(w["cells"], "watch.cells"),
    cellsNeeded: count(w["cells_needed"], "watch.cells_needed"),
    share: optional(w["share"], (v) => number(v, "watch.share", 0, 1)),
    shareBefore: optional(w["share_before"], (v) => number(v, "watch.share_before", 0, 1)),
  };
}

export function parseModel(payload: Uint8Array, device: string): Parsed<ModelMessage> {
  return parse(payload, answers.modelMessage, MODEL_SCHEMA, (m) => {
    fromDevice(m, device);
    return {
      bootId: uuid(m["boot_id"], "boot_id"),
      current: modelRef(m["current"], "current"),
      origin: text(m["origin"], "origin"),
      previous: optional(m["previous"], (v) => modelRef(v, "previous")),
      watch: optional(m["watch"], watch),
      signedAt: optional(m["signed_at"], (v) => time(v, "signed_at")),
      update: optional(m["update"], update),
    };
  });
}

/** Of `model.list`, the one that decides first. */
export function parseModelList(result: Json): Parsed<KeptModel[]> {
  return checked(() =>
    list(result["models"], "models")
      .slice(0, MAX_MODELS)
      .map((value, i) => {
        const m = object(value, `models[${i}]`);
        return {
          model: modelRef(m["model"], `models[${i}].model`),
          origin: text(m["origin"], `models[${i}].origin`),
          use: text(m["use"], `models[${i}].use`),
        };
      }),
  );
}

/** Of `model.history`, the newest last. */
export function parseModelHistory(result: Json): Parsed<ModelEvent[]> {
  return checked(() =>
    list(result["events"], "events")
      .slice(-MAX_EVENTS)
      .map((value, i) => {
        const e = object(value, `events[${i}]`);
        return {
          at: time(e["at"], `events[${i}].at`),
          kind: text(e["kind"], `events[${i}].kind`),
          sha256: text(e["sha256"], `events[${i}].sha256`),
          model: optional(e["model"], (v) => text(v, `events[${i}].model`, MAX_REASON)),
          reason: optional(e["reason"], (v) => text(v, `events[${i}].reason`, MAX_REASON)),
        };
      }),
  );
}

/** Of `model.rollback`. */
export function parseWhichModel(result: Json): Parsed<ModelRef> {
  return checked(() => modelRef(result["model"], "model"));
}
