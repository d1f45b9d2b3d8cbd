// Commands to one board and their answers: one request, one answer, or the reason why there is none.
//
// A board does a command once however often it comes, as long as its `request_id` is the same. So
// what gets no answer is sent again as it was.

import type { Json, Parsed } from "./messages/checks";
import { parseReply } from "./messages/reply";

export interface CommandProperties {
  responseTopic: string;
  correlationData: Uint8Array;
}

/** Hands a command to the broker; rejects where the broker refuses it. */
export type Publish = (topic: string, payload: string, properties: CommandProperties) => Promise<void>;

/** Why a command has no result. */
export type Why =
  /** There was no connection, or it was lost: then it is not known whether the command was done. */
  | { is: "disconnected"; wasSent: boolean }
  /** The board did not answer, so it is not known whether the command was done. */
  | { is: "silent" }
  /** Too many commands came to the board, also from elsewhere. Nothing was done. */
  | { is: "busy" }
  /** More commands wait in this page than it keeps. */
  | { is: "full" }
  | { is: "too_old" }
  /** The broker does not take commands from this page. */
  | { is: "forbidden"; why: string }
  | { is: "refused"; code: string; error: string }
  /** The command was done, but its result can't be read. */
  | { is: "unreadable"; reason: string };

export type Answer<T> = { ok: true; value: T } | { ok: false; why: Why };

export const TIMEOUT_MS = 5000;
/** How long after a try without success the next one comes; so there is one try more than entries. */
const WAITS_MS = [1000, 2000, 4000];
/** A board takes 20 at once and 5 a second, of all pages together; this leaves room for others. */
const AT_ONCE = 8;
const PACE_MS = 250;
const MAX_WAITING = 64;

interface Waiting {
  readonly id: string;
  readonly payload: string;
  tries: number;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** Why there would be no answer, if this were the last try. */
  why: Why;
  readonly settle: (answer: Answer<Json>) => void;
}

/** Not crypto.randomUUID: browsers withhold it from a page that a board serves without TLS. */
function randomName(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

export class Asker {
  /** Where this page, and no other, hears its answers. To be subscribed to before anything is asked. */
  readonly replyTopic: string;
  private readonly waiting = new Map<string, Waiting>();
  /** What is to be sent as soon as the pace allows. */
  private line: Waiting[] = [];
  private free = AT_ONCE;
  private pacer: ReturnType<typeof setInterval> | undefined;
  private isConnected = false;

  constructor(
    readonly device: string,
    private readonly publish: Publish,
  ) {
    this.replyTopic = `smearscope/${device}/command/reply/page-${randomName()}`;
  }

  /** Without a connection nothing waits for an answer that can't come. */
  setConnected(isConnected: boolean): void {
    this.isConnected = isConnected;
    if (!isConnected) {
      for (const waiting of [...this.waiting.values()]) {
        this.settle(waiting, { ok: false, why: { is: "disconnected", wasSent: waiting.tries > 0 } });
      }
    }
  }

  /** Never rejects. `read` checks the result. */
  async ask<T>(command: string, args: Json, read: (result: Json) => Parsed<T>): Promise<Answer<T>> {
    const answer = await this.send(command, args);
    if (!answer.ok) {
      return answer;
    }
    const value = read(answer.value);
    return value.ok ? value : { ok: false, why: { is: "unreadable", reason: value.reason } };
  }

  /** Takes a message in; answers whether it was on the topic of the replies. */
  take(topic: string, payload: Uint8Array, correlationData: Uint8Array | undefined): boolean {
    if (topic !== this.replyTopic) {
      return false;
    }
    const waiting = correlationData && this.waiting.get(new TextDecoder().decode(correlationData.subarray(0, 64)));
    if (waiting) {
      this.takeReply(waiting, payload);
    }
    return true;
  }

  private send(command: string, args: Json): Promise<Answer<Json>> {
    return new Promise((settle) => {
      if (!this.isConnected) {
        settle({ ok: false, why: { is: "disconnected", wasSent: false } });
        return;
      }
      if (this.waiting.size >= MAX_WAITING) {
        settle({ ok: false, why: { is: "full" } });
        return;
      }
      const id = randomName();
      const payload = JSON.stringify({ schema: "smearscope.command/1", request_id: id, command, args });
      const waiting: Waiting = { id, payload, tries: 0, timer: undefined, why: { is: "silent" }, settle };
      this.waiting.set(id, waiting);
      this.enqueue(waiting);
    });
  }

  private enqueue(waiting: Waiting): void {
    this.line.push(waiting);
    this.pacer ??= setInterval(() => this.refill(), PACE_MS);
    this.drain();
  }

  private refill(): void {
    this.free = Math.min(this.free + 1, AT_ONCE);
    this.drain();
    if (this.free === AT_ONCE) {
      clearInterval(this.pacer);
      this.pacer = undefined;
    }
  }

  private drain(): void {
    while (this.free > 0 && this.line.length > 0) {
      const waiting = this.line.shift()!;
      this.free -= 1;
      this.tryOnce(waiting);
    }
  }

  private tryOnce(waiting: Waiting): void {
    waiting.tries += 1;
    waiting.why = { is: "silent" };
    waiting.timer = setTimeout(() => this.tryAgain(waiting), TIMEOUT_MS);
    this.publish(`smearscope/${this.device}/command`, waiting.payload, {
      responseTopic: this.replyTopic,
      correlationData: new TextEncoder().encode(waiting.id),
    }).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      this.settle(waiting, { ok: false, why: { is: "forbidden", why } });
    });
  }

  private tryAgain(waiting: Waiting): void {
    const wait = WAITS_MS[waiting.tries - 1];
    if (wait === undefined) {
      this.settle(waiting, { ok: false, why: waiting.why });
    } else {
      waiting.timer = setTimeout(() => this.enqueue(waiting), wait);
    }
  }

  private takeReply(waiting: Waiting, payload: Uint8Array): void {
    const reply = parseReply(payload, this.device);
    if (!reply.ok) {
      this.settle(waiting, { ok: false, why: { is: "unreadable", reason: reply.reason } });
      return;
    }
    const { value } = reply;
    if (value.requestId !== waiting.id) {
      return;
    }
    if (value.ok) {
      this.settle(waiting, { ok: true, value: value.result });
    } else if (value.code === "rate_limited") {
      this.withdraw(waiting);
      waiting.why = { is: "busy" };
      this.tryAgain(waiting);
    } else if (value.code === "unknown_command") {
      this.settle(waiting, { ok: false, why: { is: "too_old" } });
    } else {
      this.settle(waiting, { ok: false, why: { is: "refused", code: value.code, error: value.error } });
    }
  }

  /** Undoes whatever was going to send it. */
  private withdraw(waiting: Waiting): void {
    clearTimeout(waiting.timer);
    this.line = this.line.filter((other) => other !== waiting);
  }

  private settle(waiting: Waiting, answer: Answer<Json>): void {
    this.withdraw(waiting);
    if (this.waiting.delete(waiting.id)) {
      waiting.settle(answer);
    }
  }
}
