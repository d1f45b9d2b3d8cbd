import { describe, expect, it } from "vitest";

import { MAX_IMAGE_BYTES, parseField, parsePicture, parseSlide, parseStatus } from "../src/messages";
import { bytes, DEVICE, fieldJson, idOf, slideJson, statusJson } from "./fixtures";

const reason = (parsed: { ok: boolean }): string => (parsed as { reason?: string }).reason ?? "accepted";

describe("good payloads", () => {
  it("reads a field", () => {
    const parsed = parseField(bytes(fieldJson(7)), DEVICE);
    expect(parsed).toMatchObject({
      ok: true,
      value: {
        id: idOf(7),
        seq: 7,
        cells: [
          { bbox: [10, 20, 30, 40], parasitized: true, p: 0.75 },
          { parasitized: false, p: 0.05 },
        ],
        others: [[0, 0, 8, 8]],
        counts: { cells: 2, parasitized: 1 },
      },
    });
  });

  it("reads a slide, also before its first cell", () => {
    expect(parseSlide(bytes(slideJson()), DEVICE)).toMatchObject({
      ok: true,
      value: { counts: { cells: 1240, parasitized: 6 }, cellsNeeded: 5000, state: "insufficient" },
    });
    expect(parseSlide(bytes(slideJson({ cells: 0, parasitized: 0, parasitemia: null })), DEVICE)).toMatchObject({
      ok: true,
      value: { parasitemia: null },
    });
  });

  it("reads a status", () => {
    expect(parseStatus(bytes(statusJson({ state: "stopped" })), DEVICE)).toMatchObject({
      ok: true,
      value: { state: "stopped", model: { name: "densenet121" } },
    });
  });

  it("ignores keys it doesn't know", () => {
    expect(parseField(bytes(fieldJson(1, { later: { more: true } })), DEVICE).ok).toBe(true);
  });
});

describe("bad payloads are refused in one sentence", () => {
  it.each([
    ["nothing", "", "not JSON"],
    ["cut off", '{"schema":"smearscope.field/1"', "not JSON"],
    ["a list", "[]", '"the message" is not an object'],
    ["null", "null", '"the message" is not an object'],
    ["no schema", "{}", '"schema" is not a text'],
    ["another schema", { schema: "smearscope.field/2" }, 'its schema is "smearscope.field/2"'],
    ["another device", fieldJson(1, { device: "x" }), `"device" is not "${DEVICE}"`],
    ["an id that is none", fieldJson(1, { id: "7" }), '"id" is not a UUID'],
    ["a seq below 0", fieldJson(1, { seq: -1 }), '"seq" is not a whole number'],
    ["a seq with a fraction", fieldJson(1, { seq: 1.5 }), '"seq" is not a whole number'],
    ["no time", fieldJson(1, { captured_at: "soon" }), '"captured_at" is not a time'],
    ["a box of three", fieldJson(1, { cells: [{ bbox: [1, 2, 3], label: "uninfected", p_parasitized: 0 }] }), '"cells[0].bbox"'],
    ["a box of texts", fieldJson(1, { others: [{ bbox: ["1", 2, 3, 4], kind: "edge" }] }), '"others[0].bbox"'],
    ["a probability of 1.1", fieldJson(1, { cells: [{ bbox: [1, 2, 3, 4], label: "uninfected", p_parasitized: 1.1 }] }), "number from 0 to 1"],
    ["a label not known", fieldJson(1, { cells: [{ bbox: [1, 2, 3, 4], label: "maybe", p_parasitized: 1 }] }), "one of parasitized, uninfected"],
    ["cells that are no list", fieldJson(1, { cells: {} }), '"cells" is not a list'],
    ["too many cells", fieldJson(1, { cells: Array(20_001).fill(0) }), "at most 20000 entries"],
    ["more parasitized than cells", fieldJson(1, { counts: { cells: 1, parasitized: 2 } }), "at most the number of cells"],
    ["no focus", fieldJson(1, { quality: { focus: null, exposure: 1, crowded: false } }), '"quality.focus" is not a number'],
    ["a cell of no size", fieldJson(1, { quality: { focus: 1, exposure: 1, crowded: false, cell_diameter: -1 } }), '"quality.cell_diameter"'],
    ["an objective that is maybe too low", fieldJson(1, { quality: { focus: 1, exposure: 1, crowded: false, objective_too_low: "maybe" } }), '"quality.objective_too_low" is not true or false'],
    ["a text without end", fieldJson(1, { source: "x".repeat(201) }), '"source" is not a text'],
  ])("%s", (_, payload, words) => {
    const parsed = parseField(bytes(payload), DEVICE);
    expect(parsed.ok).toBe(false);
    expect(reason(parsed)).toMatch(/^A field message was ignored: .*\.$/);
    expect(reason(parsed)).toContain(words);
  });

  it("bytes that are not UTF-8", () => {
    expect(reason(parseStatus(new Uint8Array([0xff, 0xfe, 0x00]), DEVICE))).toContain("not JSON");
  });

  it("a payload too large to read", () => {
    expect(reason(parseField(new Uint8Array(4 * 1024 * 1024 + 1), DEVICE))).toContain("more than");
  });

  it("a slide whose id is none", () => {
    for (const id of ["", ".a", "a/b", "a b", "x".repeat(65), 7]) {
      expect(reason(parseSlide(bytes(slideJson({ id })), DEVICE))).toContain("slide's id");
    }
    expect(parseSlide(bytes(slideJson({ id: "ward-3_17.b" })), DEVICE)).toMatchObject({ value: { id: "ward-3_17.b" } });
  });

  it("a slide or status with an unknown state", () => {
    expect(reason(parseSlide(bytes(slideJson({ state: "done" })), DEVICE))).toContain('"state" is not one of');
    expect(reason(parseStatus(bytes(statusJson({ state: "asleep" })), DEVICE))).toContain('"state" is not one of');
  });

  it("a parasitemia beyond 100 %", () => {
    const parasitemia = { percent: 101, low: 0, high: 1 };
    expect(reason(parseSlide(bytes(slideJson({ parasitemia })), DEVICE))).toContain("parasitemia.percent");
  });
});

describe("pictures", () => {
  const jpeg = new Uint8Array([0xff, 0xd8, 0xff, 0xe0]);

  it("keeps the id of its field, whatever its letters' case", () => {
    expect(parsePicture(jpeg, idOf(171).toUpperCase())).toMatchObject({ ok: true, value: { fieldId: idOf(171) } });
  });

  it.each([
    ["no field id", jpeg, undefined, "field_id"],
    ["two field ids", jpeg, [idOf(1), idOf(2)], "field_id"],
    ["no JPEG", new Uint8Array([0x89, 0x50, 0x4e, 0x47]), idOf(1), "not a JPEG"],
    ["nothing", new Uint8Array(), idOf(1), "not a JPEG"],
    ["too large", new Uint8Array(MAX_IMAGE_BYTES + 1), idOf(1), "more than"],
  ])("%s is refused", (_, payload, id, words) => {
    expect(reason(parsePicture(payload, id))).toContain(words);
  });
});
