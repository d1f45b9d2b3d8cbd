// `slide`: the running count of the open slide, or the last word of a closed one.

import { wire } from "../catalogue/wire";
import {
  boolean,
  checked,
  count,
  counts,
  fromDevice,
  list,
  number,
  object,
  oneOf,
  optional,
  parse,
  slideId,
  text,
  time,
  type Counts,
  type Json,
  type Model,
  type Parsed,
} from "./checks";

export interface Parasitemia {
  percent: number;
  low: number;
  high: number;
}

export type SlideState = "insufficient" | "below_detection_limit" | "sufficient";

/** The estimate as it was after so many fields. */
export interface CoursePoint extends Parasitemia {
  fields: number;
  cells: number;
  parasitized: number;
}

/** A field that joined the count. */
export interface RecentField {
  seq: number;
  counts: Counts;
  focus: number;
}

/** What a reviewer has decided on the slide's cells. */
export interface Reviewed {
  /** Called parasitized by the machine: the reviewer agreed, or not. */
  confirmed: number;
  rejected: number;
  /** Called uninfected by the machine: the reviewer found it parasitized, or agreed. */
  found: number;
  agreed: number;
  /** The machine's count with these decisions in it. */
  parasitized: number;
  parasitemia: Parasitemia;
  /** Whether each cell that the machine called parasitized was decided. */
  complete: boolean;
}

export interface PerMicrolitre {
  count: number;
  low: number;
  high: number;
  redCells: number;
  corrected: boolean;
}

export interface DetectionLimit {
  percent: number;
  above: boolean;
  /** Of the model's own false positives, in percent of healthy cells. */
  falsePositives: Parasitemia;
  dataset: string;
}

/** What did not join the count, in whatever unit its list has. */
export interface LeftOut {
  cause: string;
  fields: number;
  cells: number;
}

export interface TurnedAway {
  cause: string;
  frames: number;
}

export interface CountingModel extends Model {
  cells: number;
}

/** What a board is too old to say is `null`, or an empty list. */
export interface SlideMessage {
  id: string;
  startedAt: Date;
  closedAt: Date | null;
  /** Seconds for which it was open while the board was at work. */
  duration: number | null;
  clockSynchronised: boolean | null;
  fields: number;
  counts: Counts;
  parasitemia: Parasitemia | null;
  interval: string;
  cellsNeeded: number;
  state: SlideState;
  /** By how much the fields scatter more than independent cells would. */
  designEffect: number | null;
  corrected: Parasitemia | null;
  detectionLimit: DetectionLimit | null;
  perMicrolitre: PerMicrolitre | null;
  focus: { mean: number; min: number } | null;
  leftOut: LeftOut[];
  turnedAway: TurnedAway[];
  models: CountingModel[];
  /** `null`: the board is too old to have any. */
  notes: string | null;
  course: CoursePoint[];
  recent: RecentField[];
  reviewed: Reviewed | null;
}

export const SLIDE_SCHEMA = "smearscope.slide/1";

/** As many Unicode scalar values as a board keeps. */
export const MAX_NOTES = 1000;

const MAX_COURSE = 64;
const MAX_RECENT = 24;
const MAX_CAUSES = 64;

export function parasitemia(value: unknown, path: string): Parasitemia {
  const p = object(value, path);
  return {
    percent: number(p["percent"], `${path}.percent`, 0, 100),
    low: number(p["low"], `${path}.low`, 0, 100),
    high: number(p["high"], `${path}.high`, 0, 100),
  };
}

export function reviewed(value: unknown, path: string): Reviewed {
  const r = object(value, path);
  return {
    confirmed: count(r["confirmed"], `${path}.confirmed`),
    rejected: count(r["rejected"], `${path}.rejected`),
    found: count(r["found"], `${path}.found`),
    agreed: count(r["agreed"], `${path}.agreed`),
    parasitized: count(r["parasitized"], `${path}.parasitized`),
    parasitemia: parasitemia(r["parasitemia"], `${path}.parasitemia`),
    complete: boolean(r["complete"], `${path}.complete`),
  };
}

function detectionLimit(value: unknown): DetectionLimit {
  const limit = object(value, "detection_limit");
  const path = "detection_limit.false_positives";
  const falsePositives = object(limit["false_positives"], path);
  return {
    percent: number(limit["percent"], "detection_limit.percent", 0, 100),
    above: boolean(limit["is_above"], "detection_limit.is_above"),
    falsePositives: parasitemia(falsePositives, path),
    dataset: text(falsePositives["dataset"], `${path}.dataset`),
  };
}

function perMicrolitre(value: unknown): PerMicrolitre {
  const p = object(value, "parasites_per_ul");
  return {
    count: number(p["count"], "parasites_per_ul.count", 0),
    low: number(p["low"], "parasites_per_ul.low", 0),
    high: number(p["high"], "parasites_per_ul.high", 0),
    redCells: count(p["red_cells_per_ul"], "parasites_per_ul.red_cells_per_ul"),
    corrected: boolean(p["is_corrected"], "parasites_per_ul.is_corrected"),
  };
}

function each<T>(value: unknown, path: string, longest: number, read: (entry: Json, path: string) => T): T[] {
  return list(value ?? [], path, longest).map((entry, i) => read(object(entry, `${path}[${i}]`), `${path}[${i}]`));
}

export function parseSlide(payload: Uint8Array, device: string): Parsed<SlideMessage> {
  return parse(payload, wire.slideMessage, SLIDE_SCHEMA, (m) => {
    fromDevice(m, device);
    return {
      id: slideId(m["id"], "id"),
      startedAt: time(m["started_at"], "started_at"),
      closedAt: optional(m["closed_at"], (v) => time(v, "closed_at")),
      duration: optional(m["duration_s"], (v) => count(v, "duration_s")),
      clockSynchronised: optional(m["clock_synchronised"], (v) => boolean(v, "clock_synchronised")),
      fields: count(m["fields"], "fields"),
      counts: counts(m, ""),
      parasitemia: optional(m["parasitemia"], (v) => parasitemia(v, "parasitemia")),
      interval: text(m["interval"], "interval"),
      cellsNeeded: count(m["cells_needed"], "cells_needed"),
      state: oneOf(m["state"], "state", ["insufficient", "below_detection_limit", "sufficient"]),
      designEffect: optional(m["design_effect"], (v) => number(v, "design_effect", 0)),
      corrected: optional(m["corrected"], (v) => parasitemia(v, "corrected")),
      detectionLimit: optional(m["detection_limit"], detectionLimit),
      perMicrolitre: optional(m["parasites_per_ul"], perMicrolitre),
      focus: optional(m["focus"], (v) => {
        const focus = object(v, "focus");
        return { mean: number(focus["mean"], "focus.mean"), min: number(focus["min"], "focus.min") };
      }),
      leftOut: each(m["left_out"], "left_out", MAX_CAUSES, (e, path) => ({
        cause: text(e["cause"], `${path}.cause`),
        fields: count(e["fields"], `${path}.fields`),
        cells: count(e["cells"], `${path}.cells`),
      })),
      turnedAway: each(m["turned_away"], "turned_away", MAX_CAUSES, (e, path) => ({
        cause: text(e["cause"], `${path}.cause`),
        frames: count(e["frames"], `${path}.frames`),
      })),
      models: each(m["models"], "models", MAX_CAUSES, (e, path) => ({
        name: text(e["name"], `${path}.name`),
        version: text(e["version"], `${path}.version`),
        cells: count(e["cells"], `${path}.cells`),
      })),
      notes: optional(m["notes"], (v) => text(v, "notes", 2 * MAX_NOTES)),
      course: each(m["course"], "course", MAX_COURSE, (e, path) => ({
        fields: count(e["fields"], `${path}.fields`),
        ...counts(e, `${path}.`),
        ...parasitemia(e, path),
      })),
      recent: each(m["recent"], "recent", MAX_RECENT, (e, path) => ({
        seq: count(e["seq"], `${path}.seq`),
        counts: counts(e, `${path}.`),
        focus: number(e["focus"], `${path}.focus`),
      })),
      reviewed: optional(m["reviewed"], (v) => reviewed(v, "reviewed")),
    };
  });
}

/** The result of `slide.start`, `slide.stop` and `slide.note`: which slide was meant. */
export const parseWhichSlide = (result: Json): Parsed<string> => checked(() => slideId(result["slide"], "slide"));
