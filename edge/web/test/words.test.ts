import { describe, expect, it } from "vitest";

import type { LinkState } from "../src/link";
import { parseStatus } from "../src/messages/status";
import * as words from "../src/words";
import { bytes, DEVICE, statusJson } from "./fixtures";

const status = (state: string) => {
  const parsed = parseStatus(bytes(statusJson({ state })), DEVICE);
  return parsed.ok ? parsed.value : null;
};

const connected: LinkState = { is: "connected", to: "ws://b" };

describe("connection and device", () => {
  it("have words for each state", () => {
    expect(words.linkWords(connected)).toEqual({ tone: "good", text: "Connected to the broker" });
    expect(words.linkWords({ is: "lost", to: "ws://b" }).tone).toBe("bad");
    expect(words.deviceWords(status("online"), true)).toEqual({ tone: "good", text: "Device online" });
    expect(words.deviceWords(status("stopped"), true).text).toBe("Device stopped");
    expect(words.deviceWords(null, false).tone).toBe("wait");
    expect(words.deviceWords(null, true).text).toBe("Device unknown to this broker");
  });

  it("raise an alarm exactly when the data is not live", () => {
    expect(words.alarmWords(connected, status("online"), true, null)).toBeNull();
    expect(words.alarmWords(connected, null, false, null)).toBeNull();
    expect(words.alarmWords({ is: "connecting", to: "ws://b" }, null, false, null)).toBeNull();
    expect(words.alarmWords(connected, status("offline"), true, null)).toContain("offline");
    expect(words.alarmWords(connected, status("stopped"), true, null)).toContain("stopped");
    expect(words.alarmWords(connected, null, true, null)).toContain("knows no device");
    expect(words.alarmWords({ is: "lost", to: "ws://b" }, status("online"), true, null)).toContain("ws://b");
    expect(words.alarmWords({ is: "refused", to: "ws://b", why: "Not authorized" }, null, true, null)).toContain("Not authorized");
  });

  it("raise an alarm with the reason when the camera is lost, unless the device itself is", () => {
    const why = "The camera is unplugged.";
    expect(words.alarmWords(connected, status("online"), true, why)).toMatch(/^Camera lost\. The camera is unplugged\. /);
    expect(words.alarmWords(connected, status("offline"), true, why)).not.toContain("unplugged");
  });

  it("name what the broker doesn't let the page read, but for answers to commands", () => {
    expect(words.deniedWords(connected, new Set())).toBeNull();
    expect(words.deniedWords(connected, new Set(["smearscope/a/command/reply/page-1"]))).toBeNull();
    expect(words.deniedWords(connected, new Set(["smearscope/a/live"]))).toContain("it may not read smearscope/a/live");
    expect(words.deniedWords({ is: "lost", to: "ws://b" }, new Set(["smearscope/a/live"]))).toBeNull();
  });

  it("raise an alarm where the broker wants a password", () => {
    const asking: LinkState = { is: "asking", to: "ws://b", wrong: false };
    expect(words.linkWords(asking).tone).toBe("bad");
    expect(words.alarmWords(asking, status("online"), true, null)).toContain("ws://b");
  });

  it.each([
    [-5, "just now"],
    [1999, "just now"],
    [2000, "2 s ago"],
    [61_000, "1 min ago"],
    [7_300_000, "2 h ago"],
  ])("%d ms is %s", (ms, said) => {
    expect(words.agoWords(ms)).toBe(said);
  });
});
