import { beforeEach, describe, expect, it } from "vitest";

import { Station } from "../src/station";
import { BOOT, bytes, DEVICE, fieldJson, idOf, liveJson, slideJson, statusJson } from "./fixtures";

const topic = (leaf: string): string => `smearscope/${DEVICE}/${leaf}`;
const connected = { is: "connected", to: "ws://b" } as const;

let station: Station;

beforeEach(() => {
  station = new Station(DEVICE);
  station.setLink(connected, 0);
});

const take = (leaf: string, payload: unknown, properties = {}, now = 0) =>
  station.take(topic(leaf), bytes(payload), properties, now);

describe("what is live and what is stale", () => {
  beforeEach(() => {
    take("status", statusJson());
    take("slide", slideJson());
    take("field", fieldJson(1));
  });

  it("is live while connected and online", () => {
    expect(station.alarm(0)).toBeNull();
    expect(station.slideIsStale()).toBe(false);
    expect(station.fieldStale()).toBeNull();
  });

  it("is stale when the device is offline or stopped", () => {
    for (const state of ["offline", "stopped"]) {
      take("status", statusJson({ state }));
      expect(station.alarm(0)).not.toBeNull();
      expect(station.slideIsStale()).toBe(true);
      expect(station.fieldStale()).toBe("not live");
    }
  });

  it("stays stale after a gap until it comes anew", () => {
    station.setLink({ is: "lost", to: "ws://b" }, 1);
    expect(station.slideIsStale()).toBe(true);
    station.setLink(connected, 2);
    take("status", statusJson());
    expect(station.slideIsStale()).toBe(true);
    expect(station.fieldStale()).toBe("from before the connection was lost");
    take("slide", slideJson());
    take("field", fieldJson(2));
    expect(station.slideIsStale()).toBe(false);
    expect(station.fieldStale()).toBeNull();
  });

  it("names a field from before a restart", () => {
    take("status", statusJson({ boot_id: idOf(77) }));
    expect(station.fieldStale()).toBe("from before the device restarted");
  });

  it("knows a device that the broker doesn't know", () => {
    take("status", "");
    expect(station.alarm(100)).toBeNull();
    expect(station.alarm(3000)).toContain("knows no device");
  });

  it("forgets a slide whose retained message was cleared", () => {
    take("slide", "");
    expect(station.slide).toBeNull();
  });
});

describe("what the camera sees", () => {
  it("is not known of a device that never told", () => {
    take("status", statusJson());
    expect(station.live).toBeNull();
    expect(station.liveIsStale(60_000)).toBe(false);
  });

  it("is of now for three seconds, before the status too", () => {
    take("live", liveJson(), {}, 1000);
    expect(station.liveIsStale(3999)).toBe(false);
    expect(station.liveIsStale(4000)).toBe(true);
    take("live", liveJson(), {}, 4500);
    expect(station.liveIsStale(5000)).toBe(false);
  });

  it("is not of now when the device is off or the connection is another", () => {
    take("status", statusJson());
    take("live", liveJson());
    expect(station.liveIsStale(1)).toBe(false);
    take("status", statusJson({ state: "offline" }));
    expect(station.liveIsStale(1)).toBe(true);
    take("status", statusJson());
    expect(station.liveIsStale(1)).toBe(false);
    station.setLink({ is: "lost", to: "ws://b" }, 1);
    expect(station.liveIsStale(1)).toBe(true);
    station.setLink(connected, 2);
    expect(station.liveIsStale(2)).toBe(true);
  });

  it("raises an alarm while the camera is lost, and until it says otherwise", () => {
    take("status", statusJson());
    take("live", liveJson({ camera: "lost", focus: null, reason: "The camera is unplugged." }));
    expect(station.alarm(0)).toContain("The camera is unplugged.");
    expect(station.alarm(60_000)).toContain("The camera is unplugged.");
    take("live", liveJson());
    expect(station.alarm(0)).toBeNull();
  });

  it("raises no alarm for a camera that was lost before the device or the connection came anew", () => {
    take("status", statusJson());
    take("live", liveJson({ camera: "lost" }));
    take("status", statusJson({ boot_id: idOf(77) }));
    expect(station.alarm(0)).toBeNull();
    take("status", statusJson());
    expect(station.alarm(0)).not.toBeNull();
    station.setLink(connected, 1);
    take("status", statusJson());
    expect(station.alarm(1)).toBeNull();
  });

  it("is kept when a message can't be used", () => {
    take("live", liveJson(), {}, 0);
    take("live", liveJson({ focus: "sharp" }), {}, 2000);
    take("live", "", {}, 2500);
    expect(station.live?.value.focus).toBe(12.5);
    expect(station.liveIsStale(3000)).toBe(true);
    expect(station.ignored).toBe(1);
  });
});

describe("the newest result", () => {
  it("is not replaced by one that comes late", () => {
    take("field", fieldJson(5));
    take("field", fieldJson(4));
    expect(station.field?.value.seq).toBe(5);
  });

  it("is that of the running start, even if the clock jumped back", () => {
    take("status", statusJson({ boot_id: idOf(1) }));
    take("field", fieldJson(500));
    take("field", fieldJson(2, { boot_id: idOf(1) }));
    expect(station.field?.value.seq).toBe(2);
    take("field", fieldJson(501, { boot_id: BOOT }));
    expect(station.field?.value.seq).toBe(2);
  });
});

describe("messages that can't be used", () => {
  it("are named, counted, and forgotten when a good one comes", () => {
    take("field", fieldJson(1));
    take("field", { schema: "smearscope.field/9" });
    take("slide", "garbage");
    expect([...station.problems.values()]).toHaveLength(2);
    expect(station.ignored).toBe(2);
    expect(station.field?.value.seq).toBe(1);
    take("field", fieldJson(2));
    expect([...station.problems.keys()]).toEqual([topic("slide")]);
  });

  it("leave a status as it was", () => {
    take("status", statusJson());
    take("status", "garbage");
    expect(station.status?.state).toBe("online");
  });

  it("on other topics are no concern", () => {
    expect(station.take("smearscope/other/field", bytes("x"), {}, 0)).toEqual({});
    expect(station.ignored).toBe(0);
  });

  it("hand back a picture only with its field's id", () => {
    const jpeg = new Uint8Array([0xff, 0xd8, 0xff]);
    expect(station.take(topic("image/field"), jpeg, { field_id: idOf(1) }, 0).picture?.fieldId).toBe(idOf(1));
    expect(station.take(topic("image/field"), jpeg, {}, 0).picture).toBeUndefined();
    expect(station.ignored).toBe(1);
  });
});
