import { describe, expect, it } from "vitest";

import { parseHealth } from "../src/messages/health";
import { parseCellPage, parseCellPictures, parseReviewReceipt } from "../src/messages/kept";
import { parseModel, parseModelHistory, parseModelList, parseWhichModel } from "../src/messages/model";
import { parseReply } from "../src/messages/reply";
import { cellJson, driftJson, healthJson, measureJson, modelJson, pngHead, reviewedJson, updateJson } from "./board-fixtures";
import { bytes, DEVICE, idOf, MODEL } from "./fixtures";

const reasonOf = (parsed: { ok: true } | { ok: false; reason: string }): string =>
  parsed.ok ? "accepted" : parsed.reason;

describe("health", () => {
  it("is read whole", () => {
    const parsed = parseHealth(bytes(healthJson({ cells: { kept: 9, reviewed: 2, bytes: 7, max_bytes: 70, trouble: null } })), DEVICE);
    expect(parsed.ok && parsed.value).toMatchObject({
      uptimeS: 86400,
      camera: { state: "running", fieldsPerMinute: 28.5, trouble: null, frames: 0 },
      store: { state: "disk", pending: 3, pendingBytes: 21504 },
      drops: { expired: 0, noRoom: 0, damaged: 0 },
      throttled: [],
      cells: { kept: 9, reviewed: 2, maxBytes: 70 },
    });
  });

  it("of an older board lacks what that didn't tell", () => {
    const parsed = parseHealth(bytes(healthJson()), DEVICE);
    expect(parsed.ok && [parsed.value.cells, parsed.value.fields.gated, parsed.value.writtenMb]).toEqual([null, null, null]);
    expect(parsed.ok && parsed.value.drift).toBe(null);
  });

  it("says how the slides are, in states and measures of a newer board too", () => {
    const drift = (value: unknown) => {
      const parsed = parseHealth(bytes(healthJson({ drift: value })), DEVICE);
      return parsed.ok ? parsed.value.drift : parsed.reason;
    };
    expect(drift(null)).toBe(null);
    expect(drift(driftJson())).toMatchObject({
      state: "drifted",
      fields: 12,
      cells: 1034,
      measures: [{ name: "stain_red", value: 202.5, low: 120.1, high: 190, isOut: true }, { isOut: false }, { isOut: true }],
    });
    expect(drift(driftJson({ state: "too_few", measures: [] }))).toMatchObject({ state: "too_few", measures: [] });
    const brandNew = driftJson({ state: "brand_new", measures: [measureJson("smell", true)] });
    expect(drift(brandNew)).toMatchObject({ state: "brand_new", measures: [{ name: "smell" }] });
    const flood = driftJson({ measures: Array.from({ length: 500 }, (_, n) => measureJson(`m${n}`)) });
    expect(drift(flood)).toMatchObject({ measures: { length: 32 } });
  });

  it.each([
    [{ device: "other" }, /"device" is not "demo-1"/],
    [{ uptime_s: -1 }, /"uptime_s"/],
    [{ drops: { expired: 0, no_room: 0, damaged: "1" } }, /"drops.damaged"/],
    [{ camera: null }, /"camera" is not an object/],
    [{ store: { ...(healthJson()["store"] as object), trouble: "x".repeat(5000) } }, /"store.trouble"/],
    [{ cells: { kept: 1 } }, /"cells.reviewed"/],
    [{ drift: "drifted" }, /"drift" is not an object/],
    [{ drift: driftJson({ cells: -1 }) }, /"drift.cells"/],
    [{ drift: driftJson({ measures: [measureJson("contrast", false, { value: null })] }) }, /"drift.measures\[0\].value"/],
    [{ drift: driftJson({ measures: [measureJson("contrast", false, { is_out: 1 })] }) }, /"drift.measures\[0\].is_out"/],
  ])("%j is refused", (change, why) => {
    expect(reasonOf(parseHealth(bytes(healthJson(change)), DEVICE))).toMatch(why);
  });

  it("names no more of a flood of damaged files than fit", () => {
    const setAside = Array.from({ length: 5000 }, (_, n) => `results.db.damaged-${n}`);
    const parsed = parseHealth(bytes(healthJson({ store: { ...(healthJson()["store"] as object), set_aside: setAside } })), DEVICE);
    expect(parsed.ok && parsed.value.store.setAside).toHaveLength(32);
  });
});

describe("models", () => {
  it("are read with what becomes of the desired one, in a state of a newer board too", () => {
    for (const state of ["receiving", "brand_new"]) {
      const parsed = parseModel(bytes(modelJson({ update: updateJson(state) })), DEVICE);
      expect(parsed.ok && parsed.value.update?.state).toBe(state);
    }
    expect(reasonOf(parseModel(bytes(modelJson({ current: null })), DEVICE))).toMatch(/"current" is not an object/);
  });

  it("are listed, told of and named by commands", () => {
    expect(parseModelList({ models: [{ model: MODEL, origin: "program", use: "current" }] })).toEqual({
      ok: true,
      value: [{ model: MODEL, origin: "program", use: "current" }],
    });
    const event = { at: "2026-11-28T09:02:00Z", kind: "refused", sha256: MODEL.sha256, model: null, reason: "not signed" };
    const history = parseModelHistory({ events: [event] });
    expect(history.ok && history.value).toEqual([{ ...event, at: new Date(event.at) }]);
    expect(parseWhichModel({ model: MODEL })).toEqual({ ok: true, value: MODEL });
    expect(reasonOf(parseModelList({}))).toMatch(/"models" is not a list/);
    expect(reasonOf(parseModelHistory({ events: [{}] }))).toMatch(/"events\[0\].at"/);
    expect(reasonOf(parseWhichModel({}))).toMatch(/"model"/);
  });
});

describe("kept cells", () => {
  it("are read, decided or not", () => {
    const decided = { verdict: "uninfected", at: "2026-11-24T10:00:00Z", by: "Dr A." };
    const page = parseCellPage({ cells: [cellJson(1), cellJson(2, { decision: decided, slide: null })], total: 7, more: true });
    expect(page.ok && page.value).toMatchObject({
      total: 7,
      more: true,
      cells: [
        { id: idOf(1), slide: "ward-3_17.b", parasitized: true, decision: null, crop: [70, 90, 120, 110] },
        { slide: null, decision: { parasitized: false, at: new Date(decided.at), by: "Dr A." } },
      ],
    });
  });

  it("say how novel they are, if the board tells", () => {
    const told = { reason: "novel", field_colour: [212.5, 161, 170.25], stands_for: 70, novelty: 3.25 };
    const cells = [cellJson(1), cellJson(2, { field_colour: null, novelty: null }), cellJson(3, told)];
    const page = parseCellPage({ cells, total: 3, more: false });
    expect(page.ok && page.value.cells.map(({ reason, novelty }) => [reason, novelty])).toEqual([
      ["suspicious", null],
      ["suspicious", null],
      ["novel", 3.25],
    ]);
  });

  it.each([
    [{ novelty: -1 }, /"cells\[0\].novelty" is not a number from 0/],
    [{ novelty: "very" }, /"cells\[0\].novelty"/],
    [{ id: "../x" }, /"cells\[0\].id" is not a UUID/],
    [{ p_parasitized: 1.5 }, /p_parasitized/],
    [{ decision: { verdict: "perhaps", at: "2026-11-24T10:00:00Z" } }, /verdict" is not one of/],
    [{ crop: [1, 2, 3] }, /a box of four numbers/],
  ])("%j is refused", (change, why) => {
    expect(reasonOf(parseCellPage({ cells: [cellJson(1, change)], total: 1, more: false }))).toMatch(why);
  });

  it("come in pages of a bounded size", () => {
    const cells = Array.from({ length: 201 }, (_, n) => cellJson(n));
    expect(reasonOf(parseCellPage({ cells, total: 201, more: false }))).toMatch(/at most 200/);
  });

  it("have pictures, if they are PNGs that may be decoded", () => {
    const cell = (picture: string) => ({ cells: [{ id: idOf(1), picture, mask: pngHead(9, 9) }], missing: [idOf(2)] });
    const good = parseCellPictures(cell(pngHead(120, 110)));
    expect(good.ok && good.value.missing).toEqual([idOf(2)]);
    expect(good.ok && good.value.cells[0]!.picture.byteLength).toBe(24);
    expect(reasonOf(parseCellPictures(cell("***")))).toMatch(/is not base64/);
    expect(reasonOf(parseCellPictures(cell(btoa("GIF89a"))))).toMatch(/is not a PNG/);
    expect(reasonOf(parseCellPictures(cell(pngHead(60_000, 60_000))))).toMatch(/1 to 2048 pixels/);
    expect(reasonOf(parseCellPictures(cell(pngHead(0, 5))))).toMatch(/1 to 2048 pixels/);
    expect(reasonOf(parseCellPictures(cell("A".repeat(2_000_000))))).toMatch(/at most 1048576 characters/);
  });

  it("have receipts of decisions", () => {
    const receipt = parseReviewReceipt({ id: idOf(1), decision: null, slide: "a", reviewed: reviewedJson() });
    expect(receipt.ok && receipt.value).toMatchObject({ decision: null, slide: "a", reviewed: { found: 2, complete: false } });
    expect(parseReviewReceipt({ id: idOf(1), decision: null, slide: null, reviewed: null }).ok).toBe(true);
    expect(reasonOf(parseReviewReceipt({ id: 7 }))).toMatch(/"id"/);
  });
});

describe("golden messages", () => {
  const golden = import.meta.glob<string>("../../../common/fixtures/wire/{health,model,reply}-1/*.json", {
    eager: true,
    query: "?raw",
    import: "default",
  });
  const readers = { health: parseHealth, model: parseModel, reply: parseReply };
  const results: Record<string, (result: Record<string, unknown>) => { ok: true } | { ok: false; reason: string }> = {
    "model-list": parseModelList,
    "model-history": parseModelHistory,
    "model-rollback": parseWhichModel,
    "cells-list": parseCellPage,
    "cells-get": parseCellPictures,
    "cells-review": parseReviewReceipt,
  };

  it.each(Object.entries(golden))("%s is read", (path, payload) => {
    const topic = /(\w+)-1\//.exec(path)?.[1] as keyof typeof readers;
    const { device, result } = JSON.parse(payload) as { device: string; result?: Record<string, unknown> };
    expect(reasonOf(readers[topic](bytes(payload), device))).toBe("accepted");
    const read = Object.entries(results).find(([name]) => path.includes(`/${name}`))?.[1];
    if (result && read) {
      expect(reasonOf(read(result))).toBe("accepted");
    }
  });
});
