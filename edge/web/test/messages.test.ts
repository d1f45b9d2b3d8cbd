import { describe, expect, it } from "vitest";

import { parseField } from "../src/messages/field";
import { parseLive } from "../src/messages/live";
import { MAX_IMAGE_BYTES, parsePicture } from "../src/messages/picture";
import { parseSlide } from "../src/messages/slide";
import { parseStatus } from "../src/messages/status";
import { bytes, DEVICE, fieldJson, idOf, liveJson, slideJson, statusJson } from "./fixtures";

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

  it("reads a slide by whatever name a laboratory writes on it", () => {
    for (const id of ["7", "Lab_2026-11.A", "x".repeat(64), idOf(9)]) {
      expect(parseSlide(bytes(slideJson({ id })), DEVICE)).toMatchObject({ ok: true, value: { id } });
      expect(parseField(bytes(fieldJson(1, { slide: id })), DEVICE).ok).toBe(true);
    }
  });

  it("reads what is said of a field's overlap and clock, and does without", () => {
    const [parasitized, uninfected] = fieldJson(1)["cells"] as object[];
    const cells = [{ ...parasitized, counted_before: true }, uninfected];
    const overlap = { share: 0.25, repeats: 1, is_uncertain: true };
    expect(parseField(bytes(fieldJson(1, { cells, overlap, clock_synchronised: false })), DEVICE)).toMatchObject({
      value: {
        cells: [{ countedBefore: true }, { countedBefore: false }],
        overlap: { share: 0.25, uncertain: true },
        clockSynchronised: false,
      },
    });
    for (const change of [{}, { overlap: null, clock_synchronised: null }]) {
      expect(parseField(bytes(fieldJson(1, change)), DEVICE)).toMatchObject({
        value: { cells: [{ countedBefore: false }, {}], overlap: null, clockSynchronised: null },
      });
    }
  });

  it("reads what the camera sees, also words of a newer board", () => {
    expect(parseLive(bytes(liveJson()), DEVICE)).toMatchObject({
      ok: true,
      value: { camera: "running", focus: 12.5, exposure: 0.875, verdict: "out_of_focus", analysing: false },
    });
    expect(parseLive(bytes(liveJson({ focus: null, exposure: null, verdict: null })), DEVICE)).toMatchObject({
      value: { focus: null, exposure: null, verdict: null },
    });
    expect(parseLive(bytes(liveJson({ verdict: "upside_down", camera: "asleep" })), DEVICE).ok).toBe(true);
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

  it.each([
    ["another schema", { schema: "smearscope.live/2" }, 'its schema is "smearscope.live/2"'],
    ["another device", liveJson({ device: "x" }), `"device" is not "${DEVICE}"`],
    ["a start that has no id", liveJson({ boot_id: "7" }), '"boot_id" is not a UUID'],
    ["a focus that is a text", liveJson({ focus: "12" }), '"focus" is not a number'],
    ["a focus below 0", liveJson({ focus: -1 }), '"focus" is not a number'],
    ["more light than there can be", liveJson({ exposure: 1.5 }), '"exposure" is not a number from 0 to 1'],
    ["a verdict that is no word", liveJson({ verdict: 3 }), '"verdict" is not a text'],
    ["no reason", liveJson({ reason: null }), '"reason" is not a text'],
    ["a reason without end", liveJson({ reason: "x".repeat(1001) }), '"reason" is not a text of at most 1000'],
    ["a camera that is none", liveJson({ camera: {} }), '"camera" is not a text'],
    ["an analysis that may be", liveJson({ is_analysing: "maybe" }), '"is_analysing" is not true or false'],
  ])("what the camera sees: %s", (_, payload, words) => {
    expect(reason(parseLive(bytes(payload), DEVICE))).toMatch(/^A live message was ignored: .*\.$/);
    expect(reason(parseLive(bytes(payload), DEVICE))).toContain(words);
  });

  it.each(["", "a/b", "a b", "#", "x".repeat(65), 7, null])("a slide by the name %j", (id) => {
    expect(reason(parseSlide(bytes(slideJson({ id })), DEVICE))).toContain('"id" is not 1 to 64 letters');
  });

  it.each([
    ["a cell that maybe was counted", { cells: [{ bbox: [1, 2, 3, 4], label: "uninfected", p_parasitized: 0, counted_before: 1 }] }, '"cells[0].counted_before"'],
    ["an overlap that is a number", { overlap: 0.5 }, '"overlap" is not an object'],
    ["an overlap of more than all", { overlap: { share: 1.5, repeats: 0, is_uncertain: false } }, '"overlap.share"'],
    ["a clock that is maybe set", { clock_synchronised: "maybe" }, '"clock_synchronised"'],
  ])("%s", (_, change, words) => {
    expect(reason(parseField(bytes(fieldJson(1, change)), DEVICE))).toContain(words);
  });

  it("bytes that are not UTF-8", () => {
    expect(reason(parseStatus(new Uint8Array([0xff, 0xfe, 0x00]), DEVICE))).toContain("not JSON");
  });

  it("a payload too large to read", () => {
    expect(reason(parseField(new Uint8Array(4 * 1024 * 1024 + 1), DEVICE))).toContain("more than");
  });

  it("a slide whose id is none", () => {
    for (const id of ["", ".a", "a/b", "a b", "x".repeat(65), 7]) {
      expect(reason(parseSlide(bytes(slideJson({ id })), DEVICE))).toContain("1 to 64 letters");
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

describe("golden messages", () => {
  const golden = import.meta.glob<string>("../../../common/fixtures/wire/{field,live,slide,status}-1/*.json", {
    eager: true,
    query: "?raw",
    import: "default",
  });
  const readers = { field: parseField, live: parseLive, slide: parseSlide, status: parseStatus };

  it("are there for each topic that the page reads", () => {
    for (const topic of Object.keys(readers)) {
      expect(Object.keys(golden).some((path) => path.includes(`/${topic}-1/`))).toBe(true);
    }
  });

  it.each(Object.entries(golden))("%s is read", (path, payload) => {
    const topic = /(\w+)-1\//.exec(path)?.[1] as keyof typeof readers;
    const { device } = JSON.parse(payload) as { device: string };
    expect(reason(readers[topic](bytes(payload), device))).toBe("accepted");
  });
});
