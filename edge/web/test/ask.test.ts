import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Asker, TIMEOUT_MS, type Answer, type CommandProperties } from "../src/ask";
import { answers, whyWords } from "../src/catalogue/answers";
import type { Json } from "../src/messages/checks";
import { bytes, DEVICE } from "./fixtures";

interface Sent {
  topic: string;
  requestId: string;
  command: string;
  args: unknown;
  properties: CommandProperties;
}

/** A broker that only writes down what it gets. */
function setUp(refusal: Error | null = null) {
  const sent: Sent[] = [];
  const asker = new Asker(DEVICE, (topic, payload, properties) => {
    const json = JSON.parse(payload) as { request_id: string; command: string; args: unknown };
    sent.push({ topic, requestId: json.request_id, command: json.command, args: json.args, properties });
    return refusal ? Promise.reject(refusal) : Promise.resolve();
  });
  asker.setConnected(true);
  const answer = (to: Sent, change: Json): boolean =>
    asker.take(
      to.properties.responseTopic,
      bytes({ schema: "smearscope.reply/1", device: DEVICE, request_id: to.requestId, ...change }),
      to.properties.correlationData,
    );
  return { asker, sent, answer };
}

const anything = (result: Json) => ({ ok: true as const, value: result });
const done = { ok: true, result: { slide: "a" } };
const limited = { ok: false, code: "rate_limited", error: "too fast" };

/** What a promise has come to, without waiting for it. */
async function settled<T>(promise: Promise<Answer<T>>): Promise<Answer<T> | "waiting"> {
  return Promise.race([promise, Promise.resolve().then(() => Promise.resolve("waiting" as const))]);
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a command", () => {
  it("goes to the board with a topic of this page's own and a new id each time", () => {
    const { asker, sent } = setUp();
    void asker.ask("slide.start", { id: "a" }, anything);
    void asker.ask("ping", {}, anything);
    expect(sent.map(({ topic, command, args }) => [topic, command, args])).toEqual([
      [`smearscope/${DEVICE}/command`, "slide.start", { id: "a" }],
      [`smearscope/${DEVICE}/command`, "ping", {}],
    ]);
    expect(sent[0]!.properties.responseTopic).toMatch(
      new RegExp(`^smearscope/${DEVICE}/command/reply/page-[0-9a-f]{32}$`),
    );
    expect(sent[0]!.properties.responseTopic).toBe(asker.replyTopic);
    expect(sent[0]!.requestId).not.toBe(sent[1]!.requestId);
    expect(new Asker(DEVICE, () => Promise.resolve()).replyTopic).not.toBe(asker.replyTopic);
  });

  it("gets its own result, whatever the order of the answers", async () => {
    const { asker, sent, answer } = setUp();
    const first = asker.ask("slide.start", {}, anything);
    const second = asker.ask("ping", {}, anything);
    answer(sent[1]!, { ok: true, result: { n: 2 } });
    answer(sent[0]!, { ok: true, result: { n: 1 } });
    expect(await first).toEqual({ ok: true, value: { n: 1 } });
    expect(await second).toEqual({ ok: true, value: { n: 2 } });
  });

  it("is answered once: what comes after is heard by nobody", async () => {
    const { asker, sent, answer } = setUp();
    const asked = asker.ask("slide.stop", {}, anything);
    answer(sent[0]!, done);
    expect(answer(sent[0]!, { ok: false, code: "failed", error: "no" })).toBe(true);
    expect(await asked).toEqual({ ok: true, value: { slide: "a" } });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sent).toHaveLength(1);
  });

  it("says so where the result can't be read", async () => {
    const { asker, sent, answer } = setUp();
    const asked = asker.ask("ping", {}, () => ({ ok: false, reason: "no version." }));
    answer(sent[0]!, done);
    expect(await asked).toEqual({ ok: false, why: { is: "unreadable", reason: "no version." } });
  });
});

describe("without an answer", () => {
  it("it is sent again with the same id, ever more seldom, four times in all", async () => {
    const { asker, sent } = setUp();
    const asked = asker.ask("slide.start", {}, anything);
    const times: number[] = [];
    for (let t = 0; t <= 40_000; t += 500) {
      while (times.length < sent.length) {
        times.push(t);
      }
      await vi.advanceTimersByTimeAsync(500);
    }
    expect(times).toEqual([0, 6000, 13_000, 22_000].map((t) => (t === 0 ? 0 : t)));
    expect(new Set(sent.map(({ requestId }) => requestId)).size).toBe(1);
    expect(await asked).toEqual({ ok: false, why: { is: "silent" } });
    expect(whyWords({ is: "silent" })).toBe(answers.silent.en);
  });

  it("an answer that comes late, between two tries, is taken", async () => {
    const { asker, sent, answer } = setUp();
    const asked = asker.ask("slide.start", {}, anything);
    await vi.advanceTimersByTimeAsync(TIMEOUT_MS + 100);
    answer(sent[0]!, done);
    expect((await asked).ok).toBe(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sent).toHaveLength(1);
  });
});

describe("an answer", () => {
  it("of another topic, correlation, id or device is not taken", async () => {
    const { asker, sent } = setUp();
    const asked = asker.ask("ping", {}, anything);
    const { properties, requestId } = sent[0]!;
    const reply = { schema: "smearscope.reply/1", device: DEVICE, request_id: requestId, ...done };
    expect(asker.take("smearscope/demo-1/command/reply", bytes(reply), properties.correlationData)).toBe(false);
    expect(asker.take(properties.responseTopic, bytes(reply), undefined)).toBe(true);
    expect(asker.take(properties.responseTopic, bytes(reply), bytes("x".repeat(1000)))).toBe(true);
    asker.take(properties.responseTopic, bytes({ ...reply, request_id: "other" }), properties.correlationData);
    expect(await settled(asked)).toBe("waiting");
    asker.take(properties.responseTopic, bytes({ ...reply, device: "other" }), properties.correlationData);
    expect(await asked).toMatchObject({ ok: false, why: { is: "unreadable" } });
  });

  it("of a board that is too old for the command says that", async () => {
    const { asker, sent, answer } = setUp();
    const asked = asker.ask("cells.list", {}, anything);
    answer(sent[0]!, { ok: false, code: "unknown_command", error: "there is no command" });
    const said = await asked;
    expect(said).toEqual({ ok: false, why: { is: "too_old" } });
    expect(!said.ok && whyWords(said.why)).toMatch(/too old/);
  });

  it("that refuses is handed on with its code, also one of a newer board", async () => {
    const { asker, sent, answer } = setUp();
    for (const code of ["not_now", "brand_new"]) {
      const asked = asker.ask("slide.stop", {}, anything);
      answer(sent.at(-1)!, { ok: false, code, error: "no slide is open" });
      const said = await asked;
      expect(said).toEqual({ ok: false, why: { is: "refused", code, error: "no slide is open" } });
      expect(!said.ok && whyWords(said.why)).toBe("The board says: no slide is open.");
    }
  });
});

describe("too many commands", () => {
  it("are sent again when the board says that it had too many", async () => {
    const { asker, sent, answer } = setUp();
    const asked = asker.ask("cells.get", {}, anything);
    answer(sent[0]!, limited);
    expect(sent).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1000);
    expect(sent.map(({ requestId }) => requestId)).toEqual([sent[0]!.requestId, sent[0]!.requestId]);
    // Twice the same refusal must not become two tries.
    answer(sent[1]!, limited);
    answer(sent[1]!, limited);
    await vi.advanceTimersByTimeAsync(2000);
    expect(sent).toHaveLength(3);
    answer(sent[2]!, done);
    expect((await asked).ok).toBe(true);
  });

  it("end with a word where the board goes on having too many", async () => {
    const { asker, sent, answer } = setUp();
    const asked = asker.ask("cells.get", {}, anything);
    for (let i = 0; i < 4; i += 1) {
      answer(sent[i]!, limited);
      await vi.advanceTimersByTimeAsync(5000);
    }
    expect(sent).toHaveLength(4);
    expect(await asked).toEqual({ ok: false, why: { is: "busy" } });
  });

  it("are not sent faster than a board takes them, in their order", async () => {
    const { asker, sent, answer } = setUp();
    for (let n = 0; n < 30; n += 1) {
      void asker.ask("ping", { n }, anything);
    }
    const seen: number[] = [];
    for (let second = 0; second < 8; second += 1) {
      seen.push(sent.length);
      sent.forEach((s) => answer(s, done));
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(seen[0]).toBeLessThanOrEqual(20);
    seen.slice(1).forEach((n, i) => expect(n - seen[i]!).toBeLessThanOrEqual(5));
    expect(sent.map(({ args }) => (args as { n: number }).n)).toEqual(Array.from({ length: 30 }, (_, n) => n));
  });

  it("do not fill the memory of a page whose board is silent", async () => {
    const { asker } = setUp();
    for (let n = 0; n < 64; n += 1) {
      void asker.ask("ping", {}, anything);
    }
    expect(await asker.ask("ping", {}, anything)).toEqual({ ok: false, why: { is: "full" } });
  });
});

describe("without a connection", () => {
  it("nothing is sent and nothing waits", async () => {
    const { asker, sent } = setUp();
    asker.setConnected(false);
    const said = await asker.ask("ping", {}, anything);
    expect(said).toEqual({ ok: false, why: { is: "disconnected", wasSent: false } });
    expect(!said.ok && whyWords(said.why)).toBe(answers.neverSent.en);
    expect(sent).toHaveLength(0);
  });

  it("what waits ends, and says whether it may have been done", async () => {
    const { asker, sent } = setUp();
    const all = Array.from({ length: 10 }, () => asker.ask("slide.stop", {}, anything));
    const outcomes = Promise.all(all);
    asker.setConnected(false);
    const wasSent = (await outcomes).map((said) => !said.ok && said.why.is === "disconnected" && said.why.wasSent);
    expect(wasSent).toEqual(Array.from({ length: 10 }, (_, n) => n < sent.length));
    asker.setConnected(true);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sent).toHaveLength(8);
  });

  it("a broker that takes no commands is named", async () => {
    const { asker } = setUp(new Error("Not authorized"));
    const said = await asker.ask("slide.stop", {}, anything);
    expect(said).toEqual({ ok: false, why: { is: "forbidden", why: "Not authorized" } });
  });
});
