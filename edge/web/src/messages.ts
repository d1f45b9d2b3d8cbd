// What comes from the broker, checked before anything else touches it.
//
// A broker is shared: other programs, other versions and mistakes publish there too. Each parser
// answers with the value or with one sentence that says what is wrong, and never throws. Keys that
// the page doesn't use are neither read nor required.

export type Parsed<T> = { ok: true; value: T } | { ok: false; reason: string };

/** `[x, y, w, h]` in pixels of the field. */
export type Box = readonly [number, number, number, number];

export interface Cell {
  bbox: Box;
  parasitized: boolean;
  p: number;
  /** Whether a field before, which this one overlaps, had it: it is not counted again. */
  countedBefore: boolean;
}

export interface Counts {
  cells: number;
  parasitized: number;
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

export interface Model {
  name: string;
  version: string;
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

export interface Parasitemia {
  percent: number;
  low: number;
  high: number;
}

export type SlideState = "insufficient" | "below_detection_limit" | "sufficient";

export interface SlideMessage {
  id: string;
  fields: number;
  counts: Counts;
  parasitemia: Parasitemia | null;
  interval: string;
  cellsNeeded: number;
  state: SlideState;
}

export type DeviceState = "online" | "offline" | "stopped";

export interface StatusMessage {
  state: DeviceState;
  device: string;
  version: string;
  model: Model;
  bootId: string;
}

/** What the camera sees now; figures are `null` where there is no frame. */
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

export const FIELD_SCHEMA = "smearscope.field/1";
export const SLIDE_SCHEMA = "smearscope.slide/1";
export const STATUS_SCHEMA = "smearscope.status/1";
export const LIVE_SCHEMA = "smearscope.live/1";

/** More than any real field or picture needs; beyond it a payload is not even read. */
const MAX_JSON_BYTES = 4 * 1024 * 1024;
export const MAX_IMAGE_BYTES = 16 * 1024 * 1024;
const MAX_THINGS = 20_000;
const MAX_SIDE = 65_535;
const MAX_TEXT = 200;
/** A camera's trouble can take some sentences, and must be heard all the more. */
const MAX_REASON = 1000;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const DEVICE_ID = /^[A-Za-z0-9_-]{1,64}$/;
/** What a laboratory writes on a slide; one that a board makes is a UUID. */
const SLIDE_ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;

export const isDeviceId = (text: string): boolean => DEVICE_ID.test(text);

/** Thrown and caught inside this file only. */
class Unfit extends Error {}

type Json = Record<string, unknown>;

function unfit(path: string, wanted: string): never {
  throw new Unfit(`"${path}" is not ${wanted}`);
}

function object(value: unknown, path: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    unfit(path, "an object");
  }
  return value as Json;
}

function list(value: unknown, path: string): unknown[] {
  if (!Array.isArray(value)) {
    unfit(path, "a list");
  }
  if (value.length > MAX_THINGS) {
    unfit(path, `a list of at most ${MAX_THINGS} entries`);
  }
  return value;
}

function number(value: unknown, path: string, low = -Infinity, high = Infinity): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < low || value > high) {
    unfit(path, low === -Infinity ? "a number" : `a number from ${low} to ${high}`);
  }
  return value;
}

function count(value: unknown, path: string, high = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > high) {
    unfit(path, "a whole number that a count can have");
  }
  return value;
}

function text(value: unknown, path: string, longest = MAX_TEXT): string {
  if (typeof value !== "string" || value.length > longest) {
    unfit(path, `a text of at most ${longest} characters`);
  }
  return value;
}

function boolean(value: unknown, path: string): boolean {
  if (typeof value !== "boolean") {
    unfit(path, "true or false");
  }
  return value;
}

function oneOf<T extends string>(value: unknown, path: string, allowed: readonly T[]): T {
  const found = allowed.find((a) => a === value);
  return found ?? unfit(path, `one of ${allowed.join(", ")}`);
}

function uuid(value: unknown, path: string): string {
  const lower = typeof value === "string" ? value.toLowerCase() : "";
  return UUID.test(lower) ? lower : unfit(path, "a UUID");
}

function slideId(value: unknown, path: string): string {
  return typeof value === "string" && SLIDE_ID.test(value)
    ? value
    : unfit(path, "1 to 64 letters, digits, underscores, dots or hyphens");
}

/** `null` where it is said or the key is missing. */
function optional<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value == null ? null : read(value);
}

function time(value: unknown, path: string): Date {
  const date = new Date(typeof value === "string" ? value : Number.NaN);
  return Number.isNaN(date.getTime()) ? unfit(path, "a time") : date;
}

function box(value: unknown, path: string): Box {
  if (!Array.isArray(value) || value.length !== 4) {
    unfit(path, "a box of four numbers");
  }
  const [x, y, w, h] = value.map((v) => count(v, path, MAX_SIDE)) as [number, number, number, number];
  return [x, y, w, h];
}

function counts(value: Json, path: string): Counts {
  const cells = count(value["cells"], `${path}cells`);
  const parasitized = count(value["parasitized"], `${path}parasitized`);
  if (parasitized > cells) {
    unfit(`${path}parasitized`, "at most the number of cells");
  }
  return { cells, parasitized };
}

function model(value: unknown): Model {
  const m = object(value, "model");
  return { name: text(m["name"], "model.name"), version: text(m["version"], "model.version") };
}

function parse<T>(
  payload: Uint8Array,
  what: string,
  schema: string,
  read: (json: Json) => T,
): Parsed<T> {
  const refuse = (why: string): Parsed<T> => ({ ok: false, reason: `A ${what} message was ignored: ${why}.` });
  if (payload.byteLength > MAX_JSON_BYTES) {
    return refuse(`it has ${payload.byteLength} bytes, more than ${MAX_JSON_BYTES}`);
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    return refuse("it is not JSON");
  }
  try {
    const message = object(json, "the message");
    const found = text(message["schema"], "schema");
    if (found !== schema) {
      return refuse(`its schema is "${found}", and this page reads "${schema}"`);
    }
    return { ok: true, value: read(message) };
  } catch (error) {
    if (error instanceof Unfit) {
      return refuse(error.message);
    }
    throw error;
  }
}

/** The device a message names must be the one its topic names; else one board could speak for another. */
function fromDevice(json: Json, device: string): string {
  const found = text(json["device"], "device");
  return found === device ? found : unfit("device", `"${device}", as its topic says`);
}

export function parseField(payload: Uint8Array, device: string): Parsed<FieldMessage> {
  return parse(payload, "field", FIELD_SCHEMA, (m) => {
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
      cells: list(m["cells"], "cells").map((value, i) => {
        const cell = object(value, `cells[${i}]`);
        return {
          bbox: box(cell["bbox"], `cells[${i}].bbox`),
          parasitized: oneOf(cell["label"], `cells[${i}].label`, ["parasitized", "uninfected"]) === "parasitized",
          p: number(cell["p_parasitized"], `cells[${i}].p_parasitized`, 0, 1),
          countedBefore: boolean(cell["counted_before"] ?? false, `cells[${i}].counted_before`),
        };
      }),
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

export function parseSlide(payload: Uint8Array, device: string): Parsed<SlideMessage> {
  return parse(payload, "slide", SLIDE_SCHEMA, (m) => {
    fromDevice(m, device);
    let parasitemia: Parasitemia | null = null;
    if (m["parasitemia"] !== null) {
      const p = object(m["parasitemia"], "parasitemia");
      parasitemia = {
        percent: number(p["percent"], "parasitemia.percent", 0, 100),
        low: number(p["low"], "parasitemia.low", 0, 100),
        high: number(p["high"], "parasitemia.high", 0, 100),
      };
    }
    return {
      id: slideId(m["id"], "id"),
      fields: count(m["fields"], "fields"),
      counts: counts(m, ""),
      parasitemia,
      interval: text(m["interval"], "interval"),
      cellsNeeded: count(m["cells_needed"], "cells_needed"),
      state: oneOf(m["state"], "state", ["insufficient", "below_detection_limit", "sufficient"]),
    };
  });
}

export function parseStatus(payload: Uint8Array, device: string): Parsed<StatusMessage> {
  return parse(payload, "status", STATUS_SCHEMA, (m) => ({
    device: fromDevice(m, device),
    state: oneOf(m["state"], "state", ["online", "offline", "stopped"]),
    version: text(m["version"], "version"),
    model: model(m["model"]),
    bootId: uuid(m["boot_id"], "boot_id"),
  }));
}

export function parseLive(payload: Uint8Array, device: string): Parsed<LiveMessage> {
  return parse(payload, "live", LIVE_SCHEMA, (m) => {
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

export interface Picture {
  fieldId: string;
  bytes: Uint8Array;
}

/**
 * A field's JPEG; `fieldId` is the MQTT 5 user property `field_id`, which alone says to which
 * field the picture belongs.
 */
export function parsePicture(payload: Uint8Array, fieldId: unknown): Parsed<Picture> {
  const refuse = (why: string): Parsed<Picture> => ({ ok: false, reason: `A picture was ignored: ${why}.` });
  const id = typeof fieldId === "string" ? fieldId.toLowerCase() : "";
  if (!UUID.test(id)) {
    return refuse('its user property "field_id" is not a UUID, so it belongs to no field');
  }
  if (payload.byteLength > MAX_IMAGE_BYTES) {
    return refuse(`it has ${payload.byteLength} bytes, more than ${MAX_IMAGE_BYTES}`);
  }
  if (payload[0] !== 0xff || payload[1] !== 0xd8 || payload[2] !== 0xff) {
    return refuse("it is not a JPEG");
  }
  return { ok: true, value: { fieldId: id, bytes: payload } };
}
