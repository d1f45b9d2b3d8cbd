import { describe, expect, it } from "vitest";

import { alarmsOf, type Alarm, type Facts } from "../src/alarms";
import { alarms as catalogue, alarmDetail, alarmWords } from "../src/catalogue/alarms";
import { speak } from "../src/catalogue/phrase";
import type { Parsed } from "../src/messages/checks";
import { parseHealth } from "../src/messages/health";
import { parseLive } from "../src/messages/live";
import { parseModel } from "../src/messages/model";
import { parseStatus } from "../src/messages/status";
import { driftJson, healthJson, measureJson, modelJson, updateJson } from "./board-fixtures";
import { bytes, DEVICE, idOf, liveJson, statusJson } from "./fixtures";

type Json = Record<string, unknown>;

function good<T>(parsed: Parsed<T>): T {
  if (!parsed.ok) {
    throw new Error(parsed.reason);
  }
  return parsed.value;
}

const status = (change: Json = {}) => good(parseStatus(bytes(statusJson(change)), DEVICE));
const health = (change: Json = {}) => good(parseHealth(bytes(healthJson(change)), DEVICE));
const live = (change: Json = {}) => good(parseLive(bytes(liveJson(change)), DEVICE));
const model = (change: Json = {}) => good(parseModel(bytes(modelJson(change)), DEVICE));

const well: Facts = {
  status: status(),
  health: health(),
  healthAge: 1000,
  live: live(),
  model: model(),
  queue: [0, 3, 1, 3],
  clockSynchronised: true,
};

const store = (change: Json) => health({ store: { ...(healthJson()["store"] as Json), ...change } });

const keys = (facts: Partial<Facts>): string[] => alarmsOf({ ...well, ...facts }).map(({ key }) => key);

describe("a board that is well", () => {
  it("has no alarm, with all or little known of it", () => {
    expect(keys({})).toEqual([]);
    expect(keys({ health: null, live: null, model: null, queue: [], clockSynchronised: null })).toEqual([]);
    expect(keys({ health: health({ temperature_c: null, disk_free_mb: null, throttled: null }) })).toEqual([]);
  });

  it("has none in a camera that was paused or is done", () => {
    expect(keys({ live: live({ camera: "paused" }) })).toEqual([]);
    expect(keys({ live: live({ camera: "ended" }) })).toEqual([]);
  });
});

describe("a board that is not there", () => {
  it("is offline, and what it told last counts no more", () => {
    expect(keys({ status: status({ state: "offline" }), health: health({ temperature_c: 99 }), healthAge: 1e9 })).toEqual([
      "offline",
    ]);
  });

  it("is no alarm where it was stopped or is not known", () => {
    expect(keys({ status: status({ state: "stopped" }), health: health({ temperature_c: 99 }) })).toEqual([]);
    expect(keys({ status: null })).toEqual([]);
  });

  it("still has the failure of its model", () => {
    const failed = model({ update: updateJson("refused", "not signed") });
    expect(keys({ status: status({ state: "offline" }), model: failed })).toEqual(["offline", "update_refused"]);
    expect(keys({ status: status({ state: "stopped" }), model: failed })).toEqual(["update_refused"]);
  });
});

describe("the camera", () => {
  const lost = health({ camera: { state: "lost", source: null, fields_per_minute: null, trouble: "unplugged" } });

  it("is lost by what came last of it", () => {
    expect(keys({ health: lost, live: null })).toEqual(["camera_lost"]);
    expect(keys({ live: live({ camera: "lost", reason: "Unplugged." }) })).toEqual(["camera_lost"]);
    expect(keys({ health: lost, live: live() })).toEqual([]);
  });

  it("is not judged by an earlier start of the board", () => {
    expect(keys({ live: live({ camera: "lost", boot_id: idOf(3) }) })).toEqual([]);
    expect(keys({ health: health({ boot_id: idOf(3), temperature_c: 99 }), live: null })).toEqual([]);
  });
});

describe("results at risk", () => {
  it.each<[string, Partial<Facts>, string[]]>([
    ["store in trouble", { health: store({ state: "memory", trouble: "read-only" }) }, ["store_trouble"]],
    ["memory on purpose", { health: store({ state: "memory" }) }, ["only_in_memory"]],
    ["damaged files", { health: store({ set_aside: ["a", "b"] }) }, ["set_aside"]],
    ["drops", { health: health({ drops: { expired: 1, no_room: 0, damaged: 0 } }) }, ["drops"]],
    ["a large queue", { health: store({ pending: 1000 }), queue: [100, 300, 600, 1000] }, ["queue_large"]],
    ["a growing queue", { health: store({ pending: 60 }), queue: [9, 20, 40, 60] }, ["queue_growing"]],
    ["too little growth", { health: store({ pending: 12 }), queue: [9, 10, 11, 12] }, []],
    ["a queue that fell between", { health: store({ pending: 60 }), queue: [9, 40, 30, 60] }, []],
    ["too few reports", { health: store({ pending: 60 }), queue: [9, 40, 60] }, []],
    ["a full disk", { health: health({ disk_free_mb: 199.9 }) }, ["disk_low"]],
    ["room enough", { health: health({ disk_free_mb: 200 }) }, []],
    [
      "kept cells",
      { health: health({ cells: { kept: 1, reviewed: 0, bytes: 1, max_bytes: 2, trouble: "full" } }) },
      ["cells_trouble"],
    ],
    ["no report", { healthAge: 90_001 }, ["health_overdue"]],
    ["a report just in time", { healthAge: 90_000 }, []],
    ["a clock that is not set", { clockSynchronised: false }, ["clock_not_set"]],
  ])("%s", (_, facts, expected) => {
    expect(keys(facts)).toEqual(expected);
  });

  it("a refusal of the broker counts for ten minutes of the board's own time", () => {
    const refused = (at: string) =>
      health({ broker: { connections: 1, acknowledged: 1, refused: 1, last_refusal: { at, reason: "quota" }, last_loss: null } });
    expect(keys({ health: refused("2026-11-24T09:05:30Z") })).toEqual(["broker_refusal"]);
    expect(keys({ health: refused("2026-11-24T09:05:29Z") })).toEqual([]);
  });
});

describe("the machine", () => {
  it("is hot from 80 °C", () => {
    expect(keys({ health: health({ temperature_c: 79.9 }) })).toEqual([]);
    expect(keys({ health: health({ temperature_c: 80 }) })).toEqual(["hot"]);
  });

  it("has a weak supply, which is worse than being slowed down", () => {
    const all = alarmsOf({ ...well, health: health({ throttled: ["throttled", "under_voltage", "temperature_limit"] }) });
    expect(all.map(({ key, severity }) => [key, severity])).toEqual([
      ["under_voltage", "bad"],
      ["throttled", "wait"],
    ]);
    expect(all[1]).toMatchObject({ causes: ["throttled", "temperature_limit"] });
  });

  it("tells of a model that failed, not of one under way", () => {
    expect(keys({ model: model({ update: updateJson("rolled_back", "worse") }) })).toEqual(["rolled_back"]);
    for (const state of ["receiving", "checking", "switching", "watching", "installed", "brand_new"]) {
      expect(keys({ model: model({ update: updateJson(state) }) })).toEqual([]);
    }
  });
});

describe("the slides", () => {
  const drifted = (change: Json = {}) => health({ drift: driftJson(change) });

  it("are worth a look where the model no longer fits them, and only then", () => {
    expect(alarmsOf({ ...well, health: drifted() })).toEqual([
      { key: "drifted", severity: "wait", measures: ["stain_red", "stain_blue"] },
    ]);
    for (const state of ["fits", "too_few", "brand_new"]) {
      expect(keys({ health: drifted({ state }) })).toEqual([]);
    }
    expect(keys({ health: health({ drift: null }) })).toEqual([]);
    expect(keys({ health: health({ boot_id: idOf(3), drift: driftJson() }), live: null })).toEqual([]);
  });

  it("say in what they differ, the stain once", () => {
    const words = (...measures: Json[]): string => alarmsOf({ ...well, health: drifted({ measures }) }).map(alarmWords).join();
    const out = (name: string): Json => measureJson(name, true);
    expect(words(out("stain_red"), out("stain_blue"), out("cell_diameter"), measureJson("contrast"))).toBe(
      "The model no longer fits the slides (stain, cell size)",
    );
    expect(words(out("smell"))).toBe("The model no longer fits the slides (smell)");
    expect(words()).toBe("The model no longer fits the slides");
    speak("fr");
    expect(words(out("stain_green"), out("sharpness"), out("probability"))).toBe(
      "Le modèle ne convient plus aux lames (coloration, netteté, probabilités)",
    );
    speak("en");
  });
});

describe("several alarms", () => {
  it("come with the bad ones first", () => {
    const facts = { ...well, health: health({ temperature_c: 90, disk_free_mb: 1 }), clockSynchronised: false };
    expect(alarmsOf(facts).map(({ severity }) => severity)).toEqual(["bad", "wait", "wait"]);
  });
});

describe("in words", () => {
  const all: Alarm[] = [
    { key: "offline", severity: "bad" },
    { key: "camera_lost", severity: "bad", why: "unplugged" },
    { key: "health_overdue", severity: "wait", seconds: 95 },
    { key: "store_trouble", severity: "bad", why: "read-only" },
    { key: "only_in_memory", severity: "wait" },
    { key: "set_aside", severity: "wait", files: 2 },
    { key: "drops", severity: "bad", drops: { expired: 12, noRoom: 3, damaged: 1 } },
    { key: "queue_large", severity: "wait", pending: 1200 },
    { key: "queue_growing", severity: "wait", pending: 60 },
    { key: "under_voltage", severity: "bad" },
    { key: "throttled", severity: "wait", causes: ["throttled", "brand_new"] },
    { key: "hot", severity: "wait", celsius: 81.5 },
    { key: "disk_low", severity: "bad", megabytes: 12.3 },
    { key: "update_refused", severity: "wait", why: "not signed" },
    { key: "rolled_back", severity: "wait", why: null },
    { key: "drifted", severity: "wait", measures: ["stain_red"] },
    { key: "broker_refusal", severity: "wait", why: "quota" },
    { key: "cells_trouble", severity: "wait", why: "full" },
    { key: "clock_not_set", severity: "wait" },
  ];

  it("each is said in both languages, differently from the others", () => {
    expect(new Set(all.map(({ key }) => key)).size).toBe(Object.keys(catalogue.short).length);
    for (const language of ["en", "fr"] as const) {
      speak(language);
      const said = all.map(alarmWords);
      expect(new Set(said).size).toBe(all.length);
      said.forEach((words) => expect(words).toMatch(/^[\p{Lu}\d]/u));
    }
    speak("en");
  });

  it("the reason that the board gives is told beside", () => {
    expect(alarmWords(all[6]!)).toBe("16 results dropped");
    expect(alarmDetail(all[6]!)).toBe("12 too old, 3 no room, 1 damaged");
    expect(alarmDetail(all[1]!)).toBe("unplugged");
    expect(alarmDetail(all[10]!)).toBe("slowed down, brand_new");
    expect(alarmDetail(all[0]!)).toBe(null);
    expect(alarmDetail(all[14]!)).toBe(null);
  });
});
