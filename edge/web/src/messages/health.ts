// How a board is, by its own account, each 30 seconds.

import { answers } from "../catalogue/answers";
import {
  boolean,
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

export interface Incident {
  at: Date;
  reason: string;
}

export interface CameraHealth {
  /** "running", "paused", "ended", "lost", or what a newer board says. */
  state: string;
  source: string | null;
  fieldsPerMinute: number | null;
  format: string | null;
  /** Why there is no picture; `null` where there is. */
  trouble: string | null;
  frames: number;
  lostFrames: number;
  faultyFrames: number;
  reopened: number;
}

/** Frames that were looked at, by what the board's gate said of them. */
export const VERDICTS = [
  "new",
  "seen_before",
  "moving",
  "out_of_focus",
  "blank",
  "crowded",
  "too_dark",
  "too_bright",
] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface FieldHealth {
  analysed: number;
  focus: number | null;
  /** `null` from a board that has no gate or is too old to say it. */
  gated: Record<Verdict, number> | null;
  repeats: number;
  uncertainOverlaps: number;
}

export interface StoreHealth {
  /** "disk", "memory", or what a newer board says. */
  state: string;
  trouble: string | null;
  setAside: string[];
  pending: number;
  pendingBytes: number;
  kept: number;
  lastSeq: number;
}

/** Results that nobody will ever get, by cause. */
export interface Drops {
  expired: number;
  noRoom: number;
  damaged: number;
}

export interface BrokerHealth {
  connections: number;
  acknowledged: number;
  refused: number;
  lastRefusal: Incident | null;
  lastLoss: Incident | null;
}

/** The cells that are kept for a second look. */
export interface KeptHealth {
  kept: number;
  reviewed: number;
  bytes: number;
  maxBytes: number;
  trouble: string | null;
}

/** What is measured of the slides, beside the range that is usual for what the model knows. */
export interface Measure {
  /** "stain_red", "cell_diameter" and so on, or what a newer board measures. */
  name: string;
  value: number;
  low: number;
  high: number;
  isOut: boolean;
}

/** Whether the slides still look like those that the model knows. */
export interface Drift {
  /** "too_few", "fits", "drifted", or what a newer board says. */
  state: string;
  /** What it is judged from. */
  fields: number;
  cells: number;
  measures: Measure[];
}

export interface HealthMessage {
  bootId: string;
  /** By the board's clock. */
  at: Date;
  uptimeS: number;
  camera: CameraHealth;
  fields: FieldHealth;
  store: StoreHealth;
  drops: Drops;
  broker: BrokerHealth;
  temperatureC: number | null;
  /** What slows the processor down or undermines it; `null` where nothing tells. */
  throttled: string[] | null;
  memoryMb: number | null;
  diskFreeMb: number | null;
  writtenMb: number | null;
  /** `null` from a board that keeps none. */
  cells: KeptHealth | null;
  /** `null` where the model doesn't say what it knows, or the board is too old to compare. */
  drift: Drift | null;
}

export const HEALTH_SCHEMA = "smearscope.health/1";

const MAX_NAMES = 32;

const words = (value: unknown, path: string): string | null => optional(value, (v) => text(v, path, MAX_REASON));
const figure = (value: unknown, path: string): number | null => optional(value, (v) => number(v, path));
/** A count that older boards don't tell. */
const tally = (value: unknown, path: string): number => count(value ?? 0, path);

/** So many that a board with a thousand broken files still says the rest. */
function names(value: unknown, path: string): string[] {
  return list(value, path)
    .slice(0, MAX_NAMES)
    .map((v, i) => text(v, `${path}[${i}]`, MAX_REASON));
}

function incident(value: unknown, path: string): Incident {
  const i = object(value, path);
  return { at: time(i["at"], `${path}.at`), reason: text(i["reason"], `${path}.reason`, MAX_REASON) };
}

function camera(c: Json): CameraHealth {
  return {
    state: text(c["state"], "camera.state"),
    source: words(c["source"], "camera.source"),
    fieldsPerMinute: figure(c["fields_per_minute"], "camera.fields_per_minute"),
    format: words(c["format"], "camera.format"),
    trouble: words(c["trouble"], "camera.trouble"),
    frames: tally(c["frames"], "camera.frames"),
    lostFrames: tally(c["lost_frames"], "camera.lost_frames"),
    faultyFrames: tally(c["faulty_frames"], "camera.faulty_frames"),
    reopened: tally(c["reopened"], "camera.reopened"),
  };
}

function gated(value: unknown): Record<Verdict, number> {
  const g = object(value, "fields.gated");
  const entries = VERDICTS.map((verdict) => [verdict, tally(g[verdict], `fields.gated.${verdict}`)]);
  return Object.fromEntries(entries) as Record<Verdict, number>;
}

function fields(f: Json): FieldHealth {
  return {
    analysed: count(f["analysed"], "fields.analysed"),
    focus: figure(f["focus"], "fields.focus"),
    gated: optional(f["gated"], gated),
    repeats: tally(f["repeats"], "fields.repeats"),
    uncertainOverlaps: tally(f["uncertain_overlaps"], "fields.uncertain_overlaps"),
  };
}

function store(s: Json): StoreHealth {
  return {
    state: text(s["state"], "store.state"),
    trouble: words(s["trouble"], "store.trouble"),
    setAside: names(s["set_aside"], "store.set_aside"),
    pending: count(s["pending"], "store.pending"),
    pendingBytes: count(s["pending_bytes"], "store.pending_bytes"),
    kept: count(s["kept"], "store.kept"),
    lastSeq: count(s["last_seq"], "store.last_seq"),
  };
}

function broker(b: Json): BrokerHealth {
  return {
    connections: count(b["connections"], "broker.connections"),
    acknowledged: count(b["acknowledged"], "broker.acknowledged"),
    refused: count(b["refused"], "broker.refused"),
    lastRefusal: optional(b["last_refusal"], (v) => incident(v, "broker.last_refusal")),
    lastLoss: optional(b["last_loss"], (v) => incident(v, "broker.last_loss")),
  };
}

function cells(value: unknown): KeptHealth {
  const c = object(value, "cells");
  return {
    kept: count(c["kept"], "cells.kept"),
    reviewed: count(c["reviewed"], "cells.reviewed"),
    bytes: count(c["bytes"], "cells.bytes"),
    maxBytes: count(c["max_bytes"], "cells.max_bytes"),
    trouble: words(c["trouble"], "cells.trouble"),
  };
}

function measure(value: unknown, path: string): Measure {
  const m = object(value, path);
  return {
    name: text(m["measure"], `${path}.measure`),
    value: number(m["value"], `${path}.value`),
    low: number(m["low"], `${path}.low`),
    high: number(m["high"], `${path}.high`),
    isOut: boolean(m["is_out"], `${path}.is_out`),
  };
}

function drift(value: unknown): Drift {
  const d = object(value, "drift");
  return {
    state: text(d["state"], "drift.state"),
    fields: count(d["fields"], "drift.fields"),
    cells: count(d["cells"], "drift.cells"),
    measures: list(d["measures"], "drift.measures")
      .slice(0, MAX_NAMES)
      .map((m, i) => measure(m, `drift.measures[${i}]`)),
  };
}

export function parseHealth(payload: Uint8Array, device: string): Parsed<HealthMessage> {
  return parse(payload, answers.healthMessage, HEALTH_SCHEMA, (m) => {
    fromDevice(m, device);
    const drops = object(m["drops"], "drops");
    return {
      bootId: uuid(m["boot_id"], "boot_id"),
      at: time(m["at"], "at"),
      uptimeS: count(m["uptime_s"], "uptime_s"),
      camera: camera(object(m["camera"], "camera")),
      fields: fields(object(m["fields"], "fields")),
      store: store(object(m["store"], "store")),
      drops: {
        expired: count(drops["expired"], "drops.expired"),
        noRoom: count(drops["no_room"], "drops.no_room"),
        damaged: count(drops["damaged"], "drops.damaged"),
      },
      broker: broker(object(m["broker"], "broker")),
      temperatureC: figure(m["temperature_c"], "temperature_c"),
      throttled: optional(m["throttled"], (v) => names(v, "throttled")),
      memoryMb: figure(m["memory_mb"], "memory_mb"),
      diskFreeMb: figure(m["disk_free_mb"], "disk_free_mb"),
      writtenMb: figure(m["written_mb"], "written_mb"),
      cells: optional(m["cells"], cells),
      drift: optional(m["drift"], drift),
    };
  });
}
