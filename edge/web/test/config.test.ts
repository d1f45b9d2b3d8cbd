import { describe, expect, it } from "vitest";

import { overridesOf, readConfig, showable } from "../src/config";

const file = (value: unknown) => () => Promise.resolve(value);
const absent = () => Promise.reject(new Error("404"));

describe("configuration", () => {
  it("comes from broker.json", async () => {
    const got = await readConfig(overridesOf(""), file({ url: "ws://127.0.0.1:9001/mqtt", device: "demo" }));
    expect(got).toEqual({ ok: true, value: { url: "ws://127.0.0.1:9001/mqtt", device: "demo" } });
  });

  it("lets the page's address name another device on the same broker", async () => {
    const got = await readConfig(overridesOf("?device=b"), file({ url: "ws://h:1", device: "a" }));
    expect(got).toEqual({ ok: true, value: { url: "ws://h:1", device: "b" } });
  });

  it("takes a broker from the page's address without asking for the file or its device", async () => {
    const got = await readConfig(overridesOf("?broker=wss://h/x"), absent);
    expect(got).toEqual({ ok: true, value: { url: "wss://h/x", device: null } });
  });

  it("accepts a board without a broker and one without a device", async () => {
    expect(await readConfig(overridesOf(""), file({ url: null, device: "a" }))).toMatchObject({ ok: true, value: { url: null } });
    expect(await readConfig(overridesOf(""), file({ url: "ws://h" }))).toMatchObject({ ok: true, value: { device: null } });
  });

  it.each([
    ["no file", "", absent, "no readable broker.json"],
    ["a file that is a list", "", file([]), "not of the form"],
    ["a file with a number", "", file({ url: 1 }), "not of the form"],
    ["a file that is null", "", file(null), "not of the form"],
    ["another scheme", "?broker=http://h", absent, "does not begin with ws://"],
    ["no address at all", "?broker=nonsense", absent, "does not begin with ws://"],
    ["a device that leaves its topic", "?broker=ws://h&device=a/%23", absent, "not 1 to 64"],
  ])("refuses %s in a sentence", async (_, search, load, words) => {
    const got = await readConfig(overridesOf(search), load);
    expect(got.ok ? "accepted" : got.reason).toContain(words);
  });

  it("never shows a password", () => {
    expect(showable("wss://user:secret@h:8084/mqtt?token=x")).toBe("wss://h:8084/mqtt");
    expect(showable("ws://h:1/")).toBe("ws://h:1");
  });
});
