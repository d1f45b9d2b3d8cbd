import { describe, expect, it } from "vitest";

import type { Answer, Why } from "../src/ask";
import { Desk, latestReviewed, picturesAround, type Filter } from "../src/cells/desk";
import { actionOf, takesKeys } from "../src/cells/keys";
import { Outbox } from "../src/cells/outbox";
import { outlineOf, whiteOf } from "../src/cells/outline";
import { CellPictureStore, ROOM } from "../src/cells/pictures";
import { readSettings, shorten, signatureOf, writeSettings } from "../src/cells/settings";
import type { CellQuery, CellSource } from "../src/cells/source";
import { parseCellPage, type CellPictures, type KeptCell, type ReviewReceipt } from "../src/messages/kept";
import type { Reviewed } from "../src/messages/slide";
import { cellJson } from "./board-fixtures";
import { idOf } from "./fixtures";

const SILENT: Why = { is: "silent" };

function keptCells(amount: number): KeptCell[] {
  return Array.from({ length: amount }, (_, n) => {
    const page = parseCellPage({ cells: [cellJson(n)], total: 1, more: false });
    if (!page.ok) {
      throw new Error(page.reason);
    }
    return page.value.cells[0]!;
  });
}

/** Lets every promise that can go on do so. */
const settle = (): Promise<void> => new Promise((done) => setTimeout(done, 0));

interface Sent {
  id: string;
  parasitized: boolean | null;
  by: string | null;
  answer(answer?: Answer<ReviewReceipt>): void;
}

const receipt = (id: string, parasitized: boolean | null, by: string | null): ReviewReceipt => ({
  id,
  decision: parasitized === null ? null : { parasitized, at: new Date(0), by },
  slide: "ward-3_17.b",
  reviewed: { confirmed: 1 } as Reviewed,
});

/** Answers when it is told to, by default as a board does. */
function mailbox() {
  const sent: Sent[] = [];
  const send = (id: string, parasitized: boolean | null, by: string | null): Promise<Answer<ReviewReceipt>> =>
    new Promise((settled) =>
      sent.push({ id, parasitized, by, answer: (a) => settled(a ?? { ok: true, value: receipt(id, parasitized, by) }) }),
    );
  return { sent, send };
}

describe("decisions on their way", () => {
  function setUp() {
    const { sent, send } = mailbox();
    const receipts: ReviewReceipt[] = [];
    const outbox = new Outbox(send, (r) => receipts.push(r), () => {});
    return { sent, receipts, outbox };
  }

  it("are sent at once and gone when the board has them", async () => {
    const { sent, receipts, outbox } = setUp();
    outbox.put("a", true, "Dr A.");
    outbox.put("b", false, null);
    expect(sent.map(({ id, parasitized, by }) => [id, parasitized, by])).toEqual([
      ["a", true, "Dr A."],
      ["b", false, null],
    ]);
    expect(outbox.of("a")).toEqual({ parasitized: true, by: "Dr A.", why: null });
    sent[1]!.answer();
    await settle();
    expect([outbox.size, receipts.map(({ id }) => id)]).toEqual([1, ["b"]]);
  });

  it("of one cell go one after the other, and the last is what stays", async () => {
    const { sent, outbox, receipts } = setUp();
    outbox.put("a", true, null);
    outbox.put("a", false, null);
    outbox.put("a", null, null);
    expect(sent).toHaveLength(1);
    sent[0]!.answer();
    await settle();
    expect(sent.map(({ parasitized }) => parasitized)).toEqual([true, null]);
    expect(outbox.of("a")?.parasitized).toBe(null);
    sent[1]!.answer();
    await settle();
    expect([outbox.size, receipts.length]).toEqual([0, 2]);
  });

  it("that fail are kept with the reason until they are sent again", async () => {
    const { sent, outbox } = setUp();
    outbox.put("a", true, "x");
    sent[0]!.answer({ ok: false, why: SILENT });
    await settle();
    expect(outbox.failed).toEqual([{ parasitized: true, by: "x", why: SILENT }]);
    outbox.repeat();
    expect(outbox.failed).toEqual([]);
    expect(sent[1]).toMatchObject({ id: "a", parasitized: true, by: "x" });
    sent[1]!.answer();
    await settle();
    expect(outbox.size).toBe(0);
  });

  it("that fail do not hide a newer one of the same cell", async () => {
    const { sent, outbox } = setUp();
    outbox.put("a", true, null);
    outbox.put("a", false, null);
    sent[0]!.answer({ ok: false, why: SILENT });
    await settle();
    expect(outbox.failed).toEqual([]);
    sent[1]!.answer();
    await settle();
    expect(outbox.size).toBe(0);
  });
});

describe("pictures", () => {
  function setUp() {
    const asked: { ids: readonly string[]; answer(a: Answer<CellPictures>): void }[] = [];
    const released: string[] = [];
    const store = new CellPictureStore<string>(
      (ids) => new Promise((answer) => asked.push({ ids, answer })),
      {
        decode: ({ id }) => (id === "bad" ? Promise.reject(new Error("bad")) : Promise.resolve(`picture ${id}`)),
        release: (picture) => released.push(picture),
      },
      () => {},
    );
    const have = async (n: number, missing: string[] = [], later: string[] = []): Promise<void> => {
      const { ids, answer } = asked[n]!;
      const there = ids.filter((id) => !missing.includes(id) && !later.includes(id));
      answer({
        ok: true,
        value: { cells: there.map((id) => ({ id, picture: new Uint8Array(), mask: new Uint8Array() })), missing, later },
      });
      await settle();
    };
    return { store, asked, released, have };
  }
  const ids = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, n) => `c${from + n}`);

  it("come in batches, the first one small, two at a time", async () => {
    const { store, asked, have } = setUp();
    store.want(ids(0, 20));
    expect(asked.map((a) => a.ids)).toEqual([ids(0, 2), ids(2, 10)]);
    expect(store.of("c0")).toEqual({ is: "coming" });
    await have(0);
    expect(store.of("c0")).toEqual({ is: "here", picture: "picture c0" });
    expect(asked[2]!.ids).toEqual(ids(10, 18));
    await have(1);
    await have(2);
    expect(asked).toHaveLength(3);
  });

  it("are asked for once more where the board left them for later, unless it gives none at all", async () => {
    const { store, asked, have } = setUp();
    store.want(ids(0, 2));
    await have(0, [], ["c1"]);
    expect(store.of("c0")).toEqual({ is: "here", picture: "picture c0" });
    expect(asked[1]!.ids).toEqual(["c1"]);
    await have(1, [], ["c1"]);
    expect(store.of("c1")).toEqual({ is: "missing" });
    expect(asked).toHaveLength(2);
  });

  it("are not asked for twice, and not beyond the room there is", async () => {
    const { store, asked, have, released } = setUp();
    store.want(ids(0, 10));
    await have(0);
    await have(1);
    store.want(ids(0, 10));
    expect(asked).toHaveLength(2);
    for (let from = 10; from < 60; from += 10) {
      store.want(ids(from, from + 10));
      await have(asked.length - 2);
      await have(asked.length - 1);
    }
    const kept = ids(0, 60).filter((id) => store.of(id).is === "here");
    expect(kept).toEqual(ids(60 - ROOM, 60));
    expect(released).toHaveLength(60 - ROOM);
    store.want(ids(0, 500));
    expect(asked.at(-1)!.ids.length).toBeLessThanOrEqual(8);
  });

  it("that lie far ahead wait until a command is worth it", async () => {
    const { store, asked, have } = setUp();
    store.want(ids(0, 10));
    await have(0);
    await have(1);
    store.want(ids(1, 13));
    expect(asked).toHaveLength(2);
    store.want(ids(2, 14));
    expect(asked[2]!.ids).toEqual(ids(10, 14));
    store.want(["new", ...ids(2, 9)]);
    expect(asked[3]!.ids).toEqual(["new"]);
  });

  it("that the board has no more, or that are none, are told apart from those to come", async () => {
    const { store, have } = setUp();
    store.want(["gone", "bad"]);
    await have(0, ["gone"]);
    expect([store.of("gone").is, store.of("bad").is, store.of("other").is]).toEqual(["missing", "undecodable", "coming"]);
  });

  it("that failed are asked for again only when somebody wants it", async () => {
    const { store, asked, have } = setUp();
    store.want(["a"]);
    asked[0]!.answer({ ok: false, why: SILENT });
    await settle();
    expect(store.of("a")).toEqual({ is: "failed", why: SILENT });
    store.want(["a"]);
    expect(asked).toHaveLength(1);
    store.repeat();
    expect(asked).toHaveLength(2);
    await have(1);
    expect(store.of("a").is).toBe("here");
  });
});

describe("the desk", () => {
  const UNDECIDED: Filter = { scope: "slide", decided: "undecided", reason: "any" };

  /** A board with so many cells, that answers lists at once and decisions when it is told to. */
  function setUp(amount: number, failing: { why: Why | null } = { why: null }) {
    const all = keptCells(amount);
    const queries: CellQuery[] = [];
    const { sent, send } = mailbox();
    const source: CellSource = {
      list: (query) => {
        queries.push(query);
        if (failing.why) {
          return Promise.resolve({ ok: false, why: failing.why });
        }
        const from = query.after === undefined ? 0 : all.findIndex(({ id }) => id === query.after) + 1;
        const fits = all.filter(({ decision }) => query.decided === undefined || query.decided === (decision !== null));
        const cells = fits.slice(from, from + query.limit);
        return Promise.resolve({ ok: true, value: { cells, total: fits.length, more: from + query.limit < fits.length } });
      },
      pictures: () => Promise.reject(new Error("not asked for here")),
      review: send,
    };
    const desk = new Desk(source, () => 5000);
    return { desk, queries, sent, failing };
  }

  it("asks for the undecided cells of the slide, and how far the whole is", async () => {
    const { desk, queries } = setUp(3);
    await desk.open(UNDECIDED, "ward-3_17.b");
    expect(queries).toEqual([
      { slide: "ward-3_17.b", decided: false, limit: 100 },
      { slide: "ward-3_17.b", limit: 1 },
      { slide: "ward-3_17.b", decided: true, limit: 1 },
    ]);
    expect([desk.current?.id, desk.total, desk.progress]).toEqual([idOf(0), 3, { total: 3, decided: 0 }]);
  });

  it("asks for what the filter says", async () => {
    const { desk, queries } = setUp(3);
    await desk.open({ scope: "all", decided: "any", reason: "threshold" }, "a");
    expect(queries[0]).toEqual({ reason: "threshold", limit: 100 });
    await desk.open({ scope: "slide", decided: "decided", reason: "any" }, null);
    expect(queries[3]).toEqual({ decided: true, limit: 100 });
    await desk.open({ scope: "slide", decided: "undecided", reason: "novel" }, "a");
    expect(queries[6]).toEqual({ slide: "a", decided: false, reason: "novel", limit: 100 });
  });

  it("goes on at once after a decision, and learns of it later", async () => {
    const { desk, sent } = setUp(3);
    await desk.open(UNDECIDED, null);
    desk.decide(true, "Dr A.");
    expect(desk.current?.id).toBe(idOf(1));
    expect(sent[0]).toMatchObject({ id: idOf(0), parasitized: true, by: "Dr A." });
    const first = desk.cells[0]!;
    expect([desk.verdictOf(first), first.decision, desk.progress?.decided]).toEqual([true, null, 0]);
    sent[0]!.answer();
    await settle();
    expect(desk.cells[0]!.decision).toEqual({ parasitized: true, at: new Date(0), by: "Dr A." });
    expect([desk.progress?.decided, desk.count?.slide, desk.count?.at]).toEqual([1, "ward-3_17.b", 5000]);
  });

  it("ends behind the last cell, and goes back from there", async () => {
    const { desk } = setUp(2);
    await desk.open(UNDECIDED, null);
    desk.decide(true, null);
    desk.decide(false, null);
    desk.decide(false, null);
    expect([desk.current, desk.position]).toEqual([null, 2]);
    desk.step(-1);
    expect(desk.current?.id).toBe(idOf(1));
    desk.step(-9);
    expect(desk.position).toBe(0);
  });

  it("undoes the last decisions, one after the other, to what stood before", async () => {
    const { desk, sent } = setUp(3);
    await desk.open(UNDECIDED, null);
    desk.decide(true, "A");
    sent[0]!.answer();
    await settle();
    desk.goTo(0);
    desk.decide(false, "B");
    sent[1]!.answer();
    await settle();
    expect(desk.canUndo).toBe(true);
    desk.undo();
    expect(sent[2]).toMatchObject({ id: idOf(0), parasitized: true, by: "A" });
    expect(desk.position).toBe(0);
    sent[2]!.answer();
    await settle();
    desk.undo();
    expect(sent[3]).toMatchObject({ id: idOf(0), parasitized: null, by: null });
    expect([desk.canUndo, desk.verdictOf(desk.cells[0]!)]).toEqual([false, null]);
    sent[3]!.answer();
    await settle();
    expect(desk.progress?.decided).toBe(0);
    desk.undo();
    expect(sent).toHaveLength(4);
  });

  it("withdraws a decision only where there is one", async () => {
    const { desk, sent } = setUp(2);
    await desk.open(UNDECIDED, null);
    desk.withdraw(null);
    expect(sent).toHaveLength(0);
    desk.decide(true, null);
    desk.goTo(0);
    desk.withdraw("B");
    sent[0]!.answer();
    await settle();
    expect(sent[1]).toMatchObject({ id: idOf(0), parasitized: null });
  });

  it("gets the next page before the last cell is reached, once", async () => {
    const { desk, queries } = setUp(250);
    await desk.open(UNDECIDED, null);
    expect([desk.cells.length, desk.more]).toEqual([100, true]);
    desk.goTo(50);
    expect(queries).toHaveLength(3);
    desk.goTo(90);
    desk.goTo(91);
    await settle();
    expect(queries.slice(3)).toEqual([{ decided: false, limit: 100, after: idOf(99) }]);
    expect(desk.cells).toHaveLength(200);
    expect(new Set(desk.cells.map(({ id }) => id)).size).toBe(200);
    desk.goTo(199);
    await settle();
    expect([desk.cells.length, desk.more]).toEqual([250, false]);
  });

  it("says why there is nothing, and forgets an answer that comes too late", async () => {
    const failing: { why: Why | null } = { why: { is: "too_old" } };
    const { desk } = setUp(3, failing);
    await desk.open(UNDECIDED, null);
    expect(desk.state).toEqual({ is: "failed", why: { is: "too_old" } });
    const late = desk.open(UNDECIDED, "old");
    failing.why = null;
    const newer = desk.open(UNDECIDED, null);
    await Promise.all([late, newer]);
    expect([desk.state.is, desk.slide, desk.cells.length]).toEqual(["ready", null, 3]);
  });
});

describe("what is looked at", () => {
  it("has its pictures first, then those of the next", () => {
    const around = picturesAround(keptCells(50), 20);
    expect(around.slice(0, 6)).toEqual([20, 21, 22, 23, 24, 19].map(idOf));
    expect(around).toHaveLength(20);
    expect(picturesAround(keptCells(2), 2)).toEqual([1, 0].map(idOf));
    expect(picturesAround([], 0)).toEqual([]);
  });

  it("has the count that was told last", () => {
    const [ofSlide, ofReceipt] = [{ confirmed: 1 } as Reviewed, { confirmed: 2 } as Reviewed];
    const slide = { id: "a", reviewed: ofSlide, at: 1000 };
    expect(latestReviewed(null, null)).toBe(null);
    expect(latestReviewed(slide, null)).toBe(ofSlide);
    expect(latestReviewed(slide, { slide: "a", reviewed: ofReceipt, at: 2000 })).toBe(ofReceipt);
    expect(latestReviewed(slide, { slide: "a", reviewed: ofReceipt, at: 500 })).toBe(ofSlide);
    expect(latestReviewed(slide, { slide: "b", reviewed: ofReceipt, at: 2000 })).toBe(ofSlide);
  });
});

describe("keys", () => {
  const press = (key: string, change = {}) =>
    actionOf({ key, ctrlKey: false, metaKey: false, altKey: false, repeat: false, ...change });

  it("decide, go on and back, whatever the case", () => {
    expect(["p", "P", "u", "s", "ArrowRight", "ArrowLeft", "z", "m", "h", "?"].map((key) => press(key))).toEqual([
      "parasitized",
      "parasitized",
      "uninfected",
      "skip",
      "skip",
      "back",
      "undo",
      "mask",
      "hide",
      "help",
    ]);
    expect(press("x")).toBe(null);
  });

  it("leave the browser its own, and decide nothing when they are held down", () => {
    expect(press("p", { ctrlKey: true })).toBe(null);
    expect(press("ArrowLeft", { altKey: true })).toBe(null);
    expect(press("z", { metaKey: true })).toBe(null);
    expect(press("p", { repeat: true })).toBe(null);
    expect(press("ArrowRight", { repeat: true })).toBe("skip");
  });

  it("are those of a field while somebody writes", () => {
    expect(takesKeys("INPUT", false, "text")).toBe(true);
    expect(takesKeys("TEXTAREA", false, null)).toBe(true);
    expect(takesKeys("SELECT", false, null)).toBe(true);
    expect(takesKeys("DIV", true, null)).toBe(true);
    expect(takesKeys("INPUT", false, "checkbox")).toBe(false);
    expect(takesKeys("BUTTON", false, "button")).toBe(false);
  });
});

describe("the outline of a mask", () => {
  it("runs around the pixels, in pieces as long as they can be", () => {
    const mask = [false, false, false, false, false, true, true, false, false, true, true, false].map(Boolean);
    expect(outlineOf(mask, 4, 3)).toEqual([
      [1, 1, 3, 1],
      [1, 3, 3, 3],
      [1, 1, 1, 3],
      [3, 1, 3, 3],
    ]);
  });

  it("runs along the picture's border, and around a hole", () => {
    expect(outlineOf([true], 1, 1)).toHaveLength(4);
    const ring = [1, 1, 1, 1, 0, 1, 1, 1, 1].map(Boolean);
    expect(outlineOf(ring, 3, 3)).toHaveLength(8);
    expect(outlineOf([false, false], 2, 1)).toEqual([]);
  });

  it("is that of the white pixels", () => {
    expect(whiteOf(new Uint8ClampedArray([255, 255, 255, 255, 0, 0, 0, 255, 128, 128, 128, 255]))).toEqual([
      true,
      false,
      true,
    ]);
  });
});

describe("a reviewer's settings", () => {
  const memory = () => {
    const kept = new Map<string, string>();
    return {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
      removeItem: (key: string) => void kept.delete(key),
    };
  };

  it("are kept, and shortened to what a board takes", () => {
    const store = memory();
    expect(readSettings(() => store)).toEqual({ name: "", shortcuts: true });
    writeSettings(() => store, { name: "é".repeat(70), shortcuts: false });
    expect(readSettings(() => store)).toEqual({ name: "é".repeat(64), shortcuts: false });
    expect([...shorten("🦠".repeat(70))]).toHaveLength(64);
  });

  it("are as if never made where the browser withholds its storage", () => {
    const withheld = (): never => {
      throw new Error("denied");
    };
    writeSettings(withheld, { name: "A", shortcuts: false });
    expect(readSettings(withheld)).toEqual({ name: "", shortcuts: true });
  });

  it("sign a decision where there is a name", () => {
    expect(signatureOf({ name: "  Dr A. ", shortcuts: true })).toBe("Dr A.");
    expect(signatureOf({ name: "   ", shortcuts: true })).toBe(null);
  });
});
