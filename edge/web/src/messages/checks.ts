// What every message's parser uses. A broker is shared: other programs, other versions and mistakes
// publish there too. Each parser answers with the value or with one sentence that says what is
// wrong, and never throws. Keys that the page doesn't use are neither read nor required.

import { wire } from "../catalogue/wire";
import { say, type Phrase } from "../catalogue/phrase";

export type Parsed<T> = { ok: true; value: T } | { ok: false; reason: string };

/** `[x, y, w, h]` in pixels of the field. */
export type Box = readonly [number, number, number, number];

export interface Counts {
  cells: number;
  parasitized: number;
}

export interface Model {
  name: string;
  version: string;
}

/** More than any real message needs; beyond it a payload is not even read. */
const MAX_JSON_BYTES = 4 * 1024 * 1024;
const MAX_THINGS = 20_000;
export const MAX_SIDE = 65_535;
const MAX_TEXT = 200;
/** A camera's trouble can take some sentences, and must be heard all the more. */
export const MAX_REASON = 1000;

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const DEVICE_ID = /^[A-Za-z0-9_-]{1,64}$/;
/** What a laboratory writes on a slide; one that a board makes is a UUID. */
const SLIDE_ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/;

export const isDeviceId = (name: string): boolean => DEVICE_ID.test(name);
export const isSlideId = (name: string): boolean => SLIDE_ID.test(name);
export const isUuid = (id: string): boolean => UUID.test(id);

/** Thrown by the checks below and caught in this file only. */
class Unfit extends Error {}

export type Json = Record<string, unknown>;

export function unfit(path: string, wanted: string): never {
  throw new Unfit(say(wire.isNot, path, wanted));
}

export function object(value: unknown, path: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    unfit(path, say(wire.anObject));
  }
  return value as Json;
}

export function list(value: unknown, path: string, longest = MAX_THINGS): unknown[] {
  if (!Array.isArray(value)) {
    unfit(path, say(wire.aList));
  }
  if (value.length > longest) {
    unfit(path, say(wire.aListOfAtMost, longest));
  }
  return value;
}

export function number(value: unknown, path: string, low = -Infinity, high = Infinity): number {
  if (typeof value !== "number" || !Number.isFinite(value) || value < low || value > high) {
    unfit(path, low === -Infinity ? say(wire.aNumber) : say(wire.aNumberWithin, low, high));
  }
  return value;
}

export function count(value: unknown, path: string, high = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > high) {
    unfit(path, say(wire.aCount));
  }
  return value;
}

export function text(value: unknown, path: string, longest = MAX_TEXT): string {
  if (typeof value !== "string" || value.length > longest) {
    unfit(path, say(wire.aText, longest));
  }
  return value;
}

export function boolean(value: unknown, path: string): boolean {
  if (typeof value !== "boolean") {
    unfit(path, say(wire.aBoolean));
  }
  return value;
}

export function oneOf<T extends string>(value: unknown, path: string, allowed: readonly T[]): T {
  const found = allowed.find((a) => a === value);
  return found ?? unfit(path, say(wire.oneOf, allowed.join(", ")));
}

export function uuid(value: unknown, path: string): string {
  const lower = typeof value === "string" ? value.toLowerCase() : "";
  return isUuid(lower) ? lower : unfit(path, say(wire.aUuid));
}

export function slideId(value: unknown, path: string): string {
  return typeof value === "string" && isSlideId(value) ? value : unfit(path, say(wire.aSlideId));
}

/** `null` where it is said or the key is missing. */
export function optional<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value == null ? null : read(value);
}

export function time(value: unknown, path: string): Date {
  const date = new Date(typeof value === "string" ? value : Number.NaN);
  return Number.isNaN(date.getTime()) ? unfit(path, say(wire.aTime)) : date;
}

export function box(value: unknown, path: string): Box {
  if (!Array.isArray(value) || value.length !== 4) {
    unfit(path, say(wire.aBox));
  }
  const [x, y, w, h] = value.map((v) => count(v, path, MAX_SIDE)) as [number, number, number, number];
  return [x, y, w, h];
}

export function counts(value: Json, path: string): Counts {
  const cells = count(value["cells"], `${path}cells`);
  const parasitized = count(value["parasitized"], `${path}parasitized`);
  if (parasitized > cells) {
    unfit(`${path}parasitized`, say(wire.atMostTheCells));
  }
  return { cells, parasitized };
}

export function model(value: unknown, path = "model"): Model {
  const m = object(value, path);
  return { name: text(m["name"], `${path}.name`), version: text(m["version"], `${path}.version`) };
}

/** What `read` makes of something by the checks above, or what is wrong with it. */
export function checked<T>(read: () => T): Parsed<T> {
  try {
    return { ok: true, value: read() };
  } catch (error) {
    if (error instanceof Unfit) {
      return { ok: false, reason: error.message };
    }
    throw error;
  }
}

/** Reads a payload of JSON whose `schema` must be `schema`; `what` is the message's name in words. */
export function parse<T>(
  payload: Uint8Array,
  what: Phrase<string>,
  schema: string,
  read: (json: Json) => T,
): Parsed<T> {
  const refuse = (why: string): Parsed<T> => ({ ok: false, reason: say(wire.ignored, say(what), why) });
  if (payload.byteLength > MAX_JSON_BYTES) {
    return refuse(say(wire.tooManyBytes, payload.byteLength, MAX_JSON_BYTES));
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(payload));
  } catch {
    return refuse(say(wire.notJson));
  }
  const head = checked(() => {
    const message = object(json, say(wire.theMessage));
    return { message, found: text(message["schema"], "schema") };
  });
  if (!head.ok) {
    return refuse(head.reason);
  }
  if (head.value.found !== schema) {
    return refuse(say(wire.otherSchema, head.value.found, schema));
  }
  const message = checked(() => read(head.value.message));
  return message.ok ? message : refuse(message.reason);
}

/** The device a message names must be the one its topic names; else one board could speak for another. */
export function fromDevice(json: Json, device: string): string {
  const found = text(json["device"], "device");
  return found === device ? found : unfit("device", say(wire.asTheTopic, device));
}
