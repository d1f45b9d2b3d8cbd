import { describe, expect, it } from "vitest";

import { overridesOf, readConfig, showable } from "../src/config";

const file = (value: unknown) => () => Promise.resolve(value);
const PAGE = "http://board.local/page/";
const absent = () => Promise.reject(new Error("404"));

describe("configuration", () => {
  it("comes from broker.json", async () => {
    const got = await readConfig(overridesOf(""), PAGE, file({ url: "ws://127.0.0.1:9001/mqtt", device: "demo" }));
    expect(got).toEqual({ ok: true, value: { url: "ws://127.0.0.1:9001/mqtt", device: "demo", reports: false, login: false } });
  });

  it("lets the page's address name another device on the same broker", async () => {
    const got = await readConfig(overridesOf("?device=b"), PAGE, file({ url: "ws://h:1", device: "a" }));
    expect(got).toEqual({ ok: true, value: { url: "ws://h:1", device: "b", reports: false, login: false } });
  });

  it("takes a broker from the page's address without asking for the file or its device", async () => {
    const got = await readConfig(overridesOf("?broker=wss://h/x"), PAGE, absent);
    expect(got).toEqual({ ok: true, value: { url: "wss://h/x", device: null, reports: false, login: false } });
  });

  it("accepts a board without a broker and one without a device", async () => {
    expect(await readConfig(overridesOf(""), PAGE, file({ url: null, device: "a" }))).toMatchObject({ ok: true, value: { url: null } });
    expect(await readConfig(overridesOf(""), PAGE, file({ url: "ws://h" }))).toMatchObject({ ok: true, value: { device: null } });
  });

  it("means a path beside the page or on its own host, with TLS where the page has it", async () => {
    const from = async (page: string, url: string) => {
      const got = await readConfig(overridesOf(""), page, file({ url }));
      return got.ok ? got.value.url : got.reason;
    };
    expect(await from("http://board.local:8787/x/#/live", "/mqtt")).toBe("ws://board.local:8787/mqtt");
    expect(await from("https://board.local/", "/a/mqtt")).toBe("wss://board.local/a/mqtt");
    expect(await from("http://board.local/?x=1#/live", "mqtt")).toBe("ws://board.local/mqtt");
    expect(await from("https://clinic.org/boards/3/", "mqtt")).toBe("wss://clinic.org/boards/3/mqtt");
    expect(await from("http://board.local/", "127.0.0.1:9001")).toContain("does not begin with ws://");
    expect(await from("https://board.local/", "//elsewhere/mqtt")).toContain("does not begin with ws://");
  });

  it("knows that one has signed in where the page's own server says so", async () => {
    const load = file({ url: "/mqtt", device: "a", login: true });
    expect(await readConfig(overridesOf(""), PAGE, load)).toMatchObject({ value: { login: true } });
    expect(await readConfig(overridesOf("?broker=ws://h:1"), PAGE, load)).toMatchObject({ value: { login: false } });
  });

  it("offers the reports of the page's own board only", async () => {
    const load = file({ url: "/mqtt", device: "a", reports: true });
    expect(await readConfig(overridesOf(""), PAGE, load)).toMatchObject({ value: { reports: true } });
    expect(await readConfig(overridesOf("?device=b"), PAGE, load)).toMatchObject({ value: { reports: false } });
    const odd = file({ url: "/mqtt", device: "a", reports: "yes" });
    expect(await readConfig(overridesOf(""), PAGE, odd)).toMatchObject({ value: { reports: false } });
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
    const got = await readConfig(overridesOf(search), PAGE, load);
    expect(got.ok ? "accepted" : got.reason).toContain(words);
  });

  it("never shows a password", () => {
    expect(showable("wss://user:secret@h:8084/mqtt?token=x")).toBe("wss://h:8084/mqtt");
    expect(showable("ws://h:1/")).toBe("ws://h:1");
  });
});
