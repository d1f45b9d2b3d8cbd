// `field`: one analysed field with its cells.

import { wire } from "../catalogue/wire";
import {
  boolean,
  box,
  count,
  counts,
  fromDevice,
  list,
  MAX_SIDE,
  model,
  number,
  object,
  oneOf,
  optional,
  parse,
  text,
  time,
  uuid,
  type Box,
  type Counts,
  type Model,
  type Parsed,
} from "./checks";

export interface Cell {
  bbox: Box;
  parasitized: boolean;
  p: number;
  /** Whether a field before, which this one overlaps, had it: it is not counted again. */
  countedBefore: boolean;
}

export interface Quality {
  focus: number;
  exposure: number;
  crowded: boolean;
  /** Pixels of the field; `null` where there are no cells, and from a board too old to say it. */
  cellDiameter: number | null;
  /** Whether the cells are too few pixels wide for the model; a board too old to say it doesn't. */
  objectiveTooLow: boolean;
}

/** How a field lies to those before it. */
export interface Overlap {
  /** The largest part of it that was seen in one of those, 0 to 1. */
  share: number;
  /** Whether there may be one that could not be made out, so that cells may be counted twice. */
  uncertain: boolean;
}

export interface FieldMessage {
  id: string;
  seq: number;
  bootId: string;
  capturedAt: Date;
  /** `null`: the board can't know whether its clock is set, or is too old to say it. */
  clockSynchronised: boolean | null;
  source: string;
  width: number;
  height: number;
  quality: Quality;
  cells: Cell[];
  others: Box[];
  counts: Counts;
  counted: Counts;
  /** `null` where it overlaps no other, or nobody looked. */
  overlap: Overlap | null;
  model: Model;
}

export const FIELD_SCHEMA = "smearscope.field/1";

function cell(value: unknown, path: string): Cell {
  const found = object(value, path);
  return {
    bbox: box(found["bbox"], `${path}.bbox`),
    parasitized: oneOf(found["label"], `${path}.label`, ["parasitized", "uninfected"]) === "parasitized",
    p: number(found["p_parasitized"], `${path}.p_parasitized`, 0, 1),
    countedBefore: boolean(found["counted_before"] ?? false, `${path}.counted_before`),
  };
}

export function parseField(payload: Uint8Array, device: string): Parsed<FieldMessage> {
  return parse(payload, wire.fieldMessage, FIELD_SCHEMA, (m) => {
    fromDevice(m, device);
    const quality = object(m["quality"], "quality");
    return {
      id: uuid(m["id"], "id"),
      seq: count(m["seq"], "seq"),
      bootId: uuid(m["boot_id"], "boot_id"),
      capturedAt: time(m["captured_at"], "captured_at"),
      clockSynchronised: optional(m["clock_synchronised"], (v) => boolean(v, "clock_synchronised")),
      source: text(m["source"], "source"),
      width: count(m["width"], "width", MAX_SIDE),
      height: count(m["height"], "height", MAX_SIDE),
      quality: {
        focus: number(quality["focus"], "quality.focus"),
        exposure: number(quality["exposure"], "quality.exposure"),
        crowded: boolean(quality["crowded"], "quality.crowded"),
        cellDiameter: number(quality["cell_diameter"] ?? 0, "quality.cell_diameter", 0) || null,
        objectiveTooLow: boolean(quality["objective_too_low"] ?? false, "quality.objective_too_low"),
      },
      cells: list(m["cells"], "cells").map((value, i) => cell(value, `cells[${i}]`)),
      others: list(m["others"], "others").map((value, i) =>
        box(object(value, `others[${i}]`)["bbox"], `others[${i}].bbox`),
      ),
      counts: counts(object(m["counts"], "counts"), "counts."),
      counted: counts(object(m["counted"], "counted"), "counted."),
      overlap: optional(m["overlap"], (value) => {
        const overlap = object(value, "overlap");
        return {
          share: number(overlap["share"], "overlap.share", 0, 1),
          uncertain: boolean(overlap["is_uncertain"], "overlap.is_uncertain"),
        };
      }),
      model: model(m["model"]),
    };
  });
}
