import { describe, expect, it } from "vitest";

import { Fleet, matches, MAX_BOARDS, summaryOf } from "../src/fleet";
import { driftJson, healthJson, modelJson, updateJson } from "./board-fixtures";
import { BOOT, bytes, idOf, liveJson, slideJson, statusJson } from "./fixtures";

type Json = Record<string, unknown>;

const JSON_OF: Record<string, (change: Json) => Json> = {
  status: statusJson,
  health: healthJson,
  model: modelJson,
  slide: slideJson,
  live: liveJson,
};

/** A fleet that has just connected, at 1000 ms of the page. */
function setUp() {
  const fleet = new Fleet();
  fleet.setConnected(true, 1000);
  const hear = (device: string, leaf: string, change: Json = {}, now = 1000, retained = true): boolean =>
    fleet.take(`smearscope/${device}/${leaf}`, bytes(JSON_OF[leaf]!({ device, ...change })), retained, now);
  const names = (now = 1000): string[] => fleet.rows(now).map(({ board }) => board.name);
  return { fleet, hear, names };
}

describe("the boards", () => {
  it("are those that have a status, whatever else is heard first", () => {
    const { fleet, hear, names } = setUp();
    hear("a", "health");
    expect(names()).toEqual([]);
    hear("a", "status");
    expect(names()).toEqual(["a"]);
    expect(fleet.rows(1000)[0]!.board.health?.uptimeS).toBe(86400);
    expect(fleet.take("smearscope/a/status", new Uint8Array(), false, 1000)).toBe(true);
    expect(names()).toEqual([]);
  });

  it("come in the order of their trouble, then of their names as people count", () => {
    const { hear, names } = setUp();
    hear("b-10", "status");
    hear("b-2", "status");
    hear("stopped", "status", { state: "stopped" });
    hear("slow", "status");
    hear("slow", "health", { temperature_c: 85 });
    hear("pale", "status");
    hear("pale", "health", { drift: driftJson() });
    hear("away", "status", { state: "offline" });
    expect(names()).toEqual(["away", "pale", "slow", "stopped", "b-2", "b-10"]);
  });

  it("are not more than the page keeps, and what is no board makes room", () => {
    const { fleet, hear, names } = setUp();
    for (let n = 0; n < MAX_BOARDS; n += 1) {
      hear(`ghost-${n}`, "health");
    }
    hear("late", "health");
    expect(fleet.isFull).toBe(true);
    for (let n = 0; n < MAX_BOARDS + 5; n += 1) {
      hear(`b${n}`, "status");
    }
    expect(names()).toHaveLength(MAX_BOARDS);
  });

  it("can't be named so that they break out of a topic, nor speak for another", () => {
    const { fleet, hear, names } = setUp();
    expect(hear("a b", "status")).toBe(false);
    expect(hear("x".repeat(65), "status")).toBe(false);
    expect(fleet.take("smearscope/a/field", bytes({}), false, 1)).toBe(false);
    expect(hear("a", "status", { device: "b" })).toBe(false);
    expect(names()).toEqual([]);
    expect([...fleet.problems.values()].join()).toMatch(/"device" is not "a"/);
    hear("a", "status");
    expect(fleet.problems.size).toBe(0);
  });
});

describe("when a board was seen", () => {
  it("is told by this page's clock where it was heard, else by its own", () => {
    const { fleet, hear } = setUp();
    const seen = () => fleet.rows(5000)[0]!.seen;
    hear("a", "status");
    expect(seen()).toBe(null);
    hear("a", "health", { at: "2026-11-24T09:15:30Z" });
    hear("a", "slide", { started_at: "2026-11-24T09:00:00Z" });
    expect(seen()).toEqual({ by: "board", at: new Date("2026-11-24T09:15:30Z") });
    hear("a", "live", {}, 4000, false);
    expect(seen()).toEqual({ by: "page", at: 4000 });
  });

  it("is not when the broker tells that it is gone", () => {
    const { fleet, hear } = setUp();
    hear("a", "status", {}, 2000, false);
    hear("a", "status", { state: "offline" }, 9000, false);
    expect(fleet.rows(9000)[0]!.seen).toEqual({ by: "page", at: 2000 });
  });
});

describe("health", () => {
  it("is overdue only where the page could have heard it", () => {
    const { fleet, hear } = setUp();
    const keys = (now: number): string[] => fleet.rows(now)[0]!.alarms.map(({ key }) => key);
    hear("a", "status");
    hear("a", "health");
    expect(keys(90_000)).toEqual([]);
    expect(keys(91_001)).toEqual(["health_overdue"]);
    // Ages stand still while nothing can be heard, and begin anew then.
    fleet.setConnected(false, 50_000);
    expect(keys(500_000)).toEqual([]);
    fleet.setConnected(true, 500_000);
    expect(fleet.rows(500_000)).toEqual([]);
    hear("a", "status", {}, 500_100);
    expect(keys(590_000)).toEqual([]);
    expect(keys(591_000)).toEqual(["health_overdue"]);
  });

  it("is awaited anew from a board that was started again", () => {
    const { fleet, hear } = setUp();
    hear("a", "status");
    hear("a", "health", { temperature_c: 90 });
    hear("a", "status", { boot_id: idOf(3) }, 200_000, false);
    expect(fleet.rows(250_000)[0]!.alarms).toEqual([]);
    expect(fleet.rows(250_000)[0]!.camera).toBe(null);
  });

  it("shows a queue that grows, within one start", () => {
    const { fleet, hear } = setUp();
    const store = (pending: number) => ({ store: { ...(healthJson()["store"] as Json), pending } });
    hear("a", "status");
    [5, 20, 40].forEach((pending) => hear("a", "health", store(pending)));
    expect(fleet.rows(1000)[0]!.alarms).toEqual([]);
    hear("a", "health", store(60));
    expect(fleet.rows(1000)[0]!.alarms.map(({ key }) => key)).toEqual(["queue_growing"]);
    hear("a", "health", { ...store(80), boot_id: idOf(3) });
    expect(fleet.rows(1000)[0]!.alarms).toEqual([]);
  });
});

describe("the camera", () => {
  it("is told by what was heard of it just now, else by the report", () => {
    const { fleet, hear } = setUp();
    hear("a", "status");
    expect(fleet.rows(1000)[0]!.camera).toBe(null);
    hear("a", "health");
    expect(fleet.rows(1000)[0]!.camera).toBe("running");
    hear("a", "live", { camera: "lost" }, 1000, false);
    expect(fleet.rows(2000)[0]!.camera).toBe("lost");
    expect(fleet.rows(7000)[0]!.camera).toBe("running");
    hear("a", "status", { state: "offline" }, 2000, false);
    expect(fleet.rows(2000)[0]!.camera).toBe(null);
  });
});

describe("the list", () => {
  it("is summed up", () => {
    const { fleet, hear } = setUp();
    hear("a", "status");
    hear("b", "status", { state: "offline" });
    hear("c", "status", { state: "stopped" });
    hear("c", "model", { update: updateJson("refused") });
    expect(summaryOf(fleet.rows(1000))).toEqual({ online: 1, offline: 1, stopped: 1, alarms: 2 });
  });

  it("is searched by words, and by state", () => {
    const { fleet, hear } = setUp();
    hear("kisumu-1", "status");
    hear("kisumu-1", "slide", { id: "Ward-3" });
    hear("lome-1", "status", { state: "offline", version: "9.9.9" });
    const found = (query: string, filter: Parameters<typeof matches>[2] = "all"): string[] =>
      fleet.rows(1000).filter((row) => matches(row, query, filter)).map(({ board }) => board.name);
    expect(found("")).toEqual(["lome-1", "kisumu-1"]);
    expect(found(" KISUMU  ward-3 ")).toEqual(["kisumu-1"]);
    expect(found("9.9")).toEqual(["lome-1"]);
    expect(found("densenet121")).toHaveLength(2);
    expect(found("kisumu lome")).toEqual([]);
    expect(found("", "online")).toEqual(["kisumu-1"]);
    expect(found("", "alarms")).toEqual(["lome-1"]);
    expect(found("", "stopped")).toEqual([]);
  });

  it("of 200 boards that each tell of their camera twice a second costs little", () => {
    const { fleet, hear } = setUp();
    for (let n = 0; n < 200; n += 1) {
      hear(`b${n}`, "status");
      hear(`b${n}`, "health", { boot_id: BOOT });
    }
    const begin = performance.now();
    for (let n = 0; n < 400; n += 1) {
      hear(`b${n % 200}`, "live", {}, 2000, false);
    }
    fleet.rows(2000);
    // A second's worth; it takes some milliseconds, and this only catches a change of its kind.
    expect(performance.now() - begin).toBeLessThan(500);
  });
});
