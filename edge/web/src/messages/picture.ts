// `image/field`: the JPEG of a field.

import { wire } from "../catalogue/wire";
import { say } from "../catalogue/phrase";
import { isUuid, type Parsed } from "./checks";

export const MAX_IMAGE_BYTES = 16 * 1024 * 1024;

export interface Picture {
  fieldId: string;
  bytes: Uint8Array;
}

/** `fieldId` is the MQTT 5 user property `field_id`, which alone says to which field the picture belongs. */
export function parsePicture(payload: Uint8Array, fieldId: unknown): Parsed<Picture> {
  const refuse = (why: string): Parsed<Picture> => ({ ok: false, reason: say(wire.pictureIgnored, why) });
  const id = typeof fieldId === "string" ? fieldId.toLowerCase() : "";
  if (!isUuid(id)) {
    return refuse(say(wire.noFieldId));
  }
  if (payload.byteLength > MAX_IMAGE_BYTES) {
    return refuse(say(wire.tooManyBytes, payload.byteLength, MAX_IMAGE_BYTES));
  }
  if (payload[0] !== 0xff || payload[1] !== 0xd8 || payload[2] !== 0xff) {
    return refuse(say(wire.notJpeg));
  }
  return { ok: true, value: { fieldId: id, bytes: payload } };
}
