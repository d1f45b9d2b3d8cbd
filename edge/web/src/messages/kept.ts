// The cells that a board keeps for a second look, their pictures and what was decided on them.

import { answers } from "../catalogue/answers";
import { say } from "../catalogue/phrase";
import {
  boolean,
  box,
  checked,
  count,
  list,
  number,
  object,
  oneOf,
  optional,
  slideId,
  text,
  time,
  unfit,
  uuid,
  type Box,
  type Json,
  type Parsed,
} from "./checks";
import { modelRef, type ModelRef } from "./model";
import { reviewed, type Reviewed } from "./slide";

export interface Decision {
  parasitized: boolean;
  /** By the board's clock. */
  at: Date;
  /** `null` where the reviewer gave no name. */
  by: string | null;
}

export interface KeptCell {
  id: string;
  fieldId: string;
  /** The field's number. */
  seq: number;
  slide: string | null;
  capturedAt: Date;
  clockSynchronised: boolean | null;
  /** Why it was kept: "suspicious", "threshold", "random", "novel", or what a newer board says. */
  reason: string;
  bbox: Box;
  /** What the machine calls it. */
  parasitized: boolean;
  p: number;
  model: ModelRef;
  /** The part of the field that its picture shows. */
  crop: Box;
  decision: Decision | null;
  /** How unlike the cells that the board has seen: 1 is usual. `null` where that can't be told. */
  novelty: number | null;
}

export interface CellPage {
  cells: KeptCell[];
  /** How many fit the filter. */
  total: number;
  /** Whether there are some behind these. */
  more: boolean;
}

/** PNG files, not yet decoded. */
export interface CellPicture {
  id: string;
  picture: Uint8Array;
  /** White where the cell is. */
  mask: Uint8Array;
}

export interface CellPictures {
  cells: CellPicture[];
  /** Those that the board doesn't have any more. */
  missing: string[];
  /** Those that would have made the answer too large. */
  later: string[];
}

export interface ReviewReceipt {
  id: string;
  decision: Decision | null;
  slide: string | null;
  /** Of the cell's slide; `null` where it is on none. */
  reviewed: Reviewed | null;
}

export const MAX_PICTURES = 8;
const MAX_CELLS = 200;
/** Base64 of one PNG. A cell's surroundings have some hundred pixels a side. */
const MAX_PNG = 1024 * 1024;
/** A file of some bytes can claim to be as large as a house; it is not decoded then. */
const MAX_PICTURE_SIDE = 2048;

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

function decision(value: unknown, path: string): Decision {
  const d = object(value, path);
  return {
    parasitized: oneOf(d["verdict"], `${path}.verdict`, ["parasitized", "uninfected"]) === "parasitized",
    at: time(d["at"], `${path}.at`),
    by: optional(d["by"], (v) => text(v, `${path}.by`)),
  };
}

function keptCell(value: unknown, path: string): KeptCell {
  const c = object(value, path);
  return {
    id: uuid(c["id"], `${path}.id`),
    fieldId: uuid(c["field_id"], `${path}.field_id`),
    seq: count(c["seq"], `${path}.seq`),
    slide: optional(c["slide"], (v) => slideId(v, `${path}.slide`)),
    capturedAt: time(c["captured_at"], `${path}.captured_at`),
    clockSynchronised: optional(c["clock_synchronised"], (v) => boolean(v, `${path}.clock_synchronised`)),
    reason: text(c["reason"], `${path}.reason`),
    bbox: box(c["bbox"], `${path}.bbox`),
    parasitized: oneOf(c["label"], `${path}.label`, ["parasitized", "uninfected"]) === "parasitized",
    p: number(c["p_parasitized"], `${path}.p_parasitized`, 0, 1),
    model: modelRef(c["model"], `${path}.model`),
    crop: box(c["crop"], `${path}.crop`),
    decision: optional(c["decision"], (v) => decision(v, `${path}.decision`)),
    novelty: optional(c["novelty"], (v) => number(v, `${path}.novelty`, 0)),
  };
}

/** Of `cells.list`. */
export function parseCellPage(result: Json): Parsed<CellPage> {
  return checked(() => ({
    cells: list(result["cells"], "cells", MAX_CELLS).map((value, i) => keptCell(value, `cells[${i}]`)),
    total: count(result["total"], "total"),
    more: boolean(result["more"], "more"),
  }));
}

function bigEndian(bytes: Uint8Array, at: number): number {
  return new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
}

/** The bytes of a base64 PNG whose header says that it may be decoded. */
function png(value: unknown, path: string): Uint8Array {
  const encoded = text(value, path, MAX_PNG);
  let binary: string;
  try {
    binary = atob(encoded);
  } catch {
    unfit(path, say(answers.base64));
  }
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  const isPng = bytes.byteLength >= 24 && PNG_SIGNATURE.every((byte, i) => bytes[i] === byte);
  if (!isPng) {
    unfit(path, say(answers.png));
  }
  const sides = [bigEndian(bytes, 16), bigEndian(bytes, 20)];
  if (sides.some((side) => side < 1 || side > MAX_PICTURE_SIDE)) {
    unfit(path, say(answers.pngOfSize, MAX_PICTURE_SIDE));
  }
  return bytes;
}

/** Of `cells.get`. */
export function parseCellPictures(result: Json): Parsed<CellPictures> {
  return checked(() => ({
    cells: list(result["cells"], "cells", MAX_PICTURES).map((value, i) => {
      const c = object(value, `cells[${i}]`);
      return {
        id: uuid(c["id"], `cells[${i}].id`),
        picture: png(c["picture"], `cells[${i}].picture`),
        mask: png(c["mask"], `cells[${i}].mask`),
      };
    }),
    missing: list(result["missing"], "missing", MAX_PICTURES).map((id, i) => uuid(id, `missing[${i}]`)),
    later: list(result["later"] ?? [], "later", MAX_PICTURES).map((id, i) => uuid(id, `later[${i}]`)),
  }));
}

/** Of `cells.review`. */
export function parseReviewReceipt(result: Json): Parsed<ReviewReceipt> {
  return checked(() => ({
    id: uuid(result["id"], "id"),
    decision: optional(result["decision"], (v) => decision(v, "decision")),
    slide: optional(result["slide"], (v) => slideId(v, "slide")),
    reviewed: optional(result["reviewed"], (v) => reviewed(v, "reviewed")),
  }));
}
