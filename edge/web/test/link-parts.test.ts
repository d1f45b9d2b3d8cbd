import { describe, expect, it } from "vitest";

import { forget, keep, recall, type Store } from "../src/credentials";
import { waitBefore } from "../src/link-wait";
import { fits } from "../src/topic";

function store(): Store & { items: Map<string, string> } {
  const items = new Map<string, string>();
  return {
    items,
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}

describe("the wait before the next try", () => {
  it("doubles up to half a minute, scattered by half", () => {
    expect([0, 1, 2, 3].map((n) => waitBefore(n, 1))).toEqual([1000, 2000, 4000, 8000]);
    expect(waitBefore(1, 0)).toBe(1000);
    expect(waitBefore(5000, 1)).toBe(30_000);
  });
});

describe("a filter", () => {
  it.each([
    ["smearscope/demo/field", "smearscope/demo/field", true],
    ["smearscope/+/status", "smearscope/demo/status", true],
    ["smearscope/+/status", "smearscope/a/b/status", false],
    ["smearscope/+/status", "smearscope/demo", false],
    ["smearscope/#", "smearscope/demo/image/field", true],
    ["smearscope/demo", "smearscope/demo/field", false],
  ])("%s on %s: %s", (filter, topic, does) => {
    expect(fits(filter, topic)).toBe(does);
  });
});

describe("credentials", () => {
  const known = { username: "tech", password: "s" };

  it("are kept for one broker until they are forgotten", () => {
    const kept = store();
    keep(kept, "ws://a", known);
    expect(recall(kept, "ws://a")).toEqual(known);
    expect(recall(kept, "ws://b")).toBeNull();
    forget(kept, "ws://a");
    expect(recall(kept, "ws://a")).toBeNull();
  });

  it("are none where the storage holds something else, or nothing can be stored", () => {
    const kept = store();
    for (const odd of ["garbage", "null", "7", '{"username":1,"password":"s"}']) {
      kept.items.set("smearscope.credentials ws://a", odd);
      expect(recall(kept, "ws://a")).toBeNull();
    }
    const closed = (): never => {
      throw new Error("denied");
    };
    const none: Store = { getItem: closed, setItem: closed, removeItem: closed };
    keep(none, "ws://a", known);
    forget(none, "ws://a");
    expect(recall(none, "ws://a")).toBeNull();
  });
});
