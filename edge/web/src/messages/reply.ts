// The answer to a command. What its result holds is read by whoever asked.

import { answers } from "../catalogue/answers";
import { boolean, fromDevice, object, optional, parse, text, type Json, type Parsed } from "./checks";

export type Reply = { requestId: string | null } & (
  | { ok: true; result: Json }
  /** `code` is for programs; a newer board may have others than this page knows. */
  | { ok: false; code: string; error: string }
);

export const REPLY_SCHEMA = "smearscope.reply/1";

/** A sentence, perhaps with the beginning of what was sent in it. */
const MAX_ERROR = 1000;

export function parseReply(payload: Uint8Array, device: string): Parsed<Reply> {
  return parse(payload, answers.replyMessage, REPLY_SCHEMA, (m) => {
    fromDevice(m, device);
    const requestId = optional(m["request_id"], (v) => text(v, "request_id"));
    return boolean(m["ok"], "ok")
      ? { requestId, ok: true, result: object(m["result"], "result") }
      : { requestId, ok: false, code: text(m["code"], "code"), error: text(m["error"], "error", MAX_ERROR) };
  });
}
