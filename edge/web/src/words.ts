// From what is known to words, for all views. The wording itself stands in `catalogue`.

import { common } from "./catalogue/common";
import { say } from "./catalogue/phrase";
import type { LinkState } from "./link";
import type { StatusMessage } from "./messages/status";

export type Tone = "good" | "wait" | "bad";

export interface Saying {
  tone: Tone;
  text: string;
}

export function linkWords(link: LinkState): Saying {
  switch (link.is) {
    case "starting":
      return { tone: "wait", text: say(common.starting) };
    case "connecting":
      return { tone: "wait", text: say(common.connecting) };
    case "connected":
      return { tone: "good", text: say(common.connected) };
    case "lost":
      return { tone: "bad", text: say(common.lost) };
    case "refused":
      return { tone: "bad", text: say(common.refused) };
    case "asking":
      return { tone: "bad", text: say(common.asking) };
    case "impossible":
      return { tone: "bad", text: say(common.notConnected) };
  }
}

/** `heard`: whether the broker has had time to hand over a retained status. */
export function deviceWords(status: StatusMessage | null, heard: boolean): Saying {
  switch (status?.state) {
    case "online":
      return { tone: "good", text: say(common.deviceOnline) };
    case "offline":
      return { tone: "bad", text: say(common.deviceOffline) };
    case "stopped":
      return { tone: "bad", text: say(common.deviceStopped) };
    case undefined:
      return heard
        ? { tone: "bad", text: say(common.deviceUnknown) }
        : { tone: "wait", text: say(common.deviceAwaited) };
  }
}

/** Why the page hears nothing at all; `null` where it is connected, or about to be. */
export function linkAlarmWords(link: LinkState): string | null {
  switch (link.is) {
    case "lost":
      return say(common.alarmLost, link.to);
    case "refused":
      return say(common.alarmRefused, link.to, link.why);
    case "asking":
      return say(common.alarmAsking, link.to);
    case "impossible":
      return link.why;
    case "starting":
    case "connecting":
    case "connected":
      return null;
  }
}

/** What the broker keeps from the page; `null` where that is nothing but the answers to commands. */
export function deniedWords(link: LinkState, denied: ReadonlySet<string>): string | null {
  const topics = [...denied].filter((topic) => !topic.includes("/command/reply/"));
  return link.is === "connected" && topics.length > 0
    ? say(common.alarmRefused, link.to, say(common.mayNotRead, topics.join(", ")))
    : null;
}

/**
 * What the user must know before reading any figure; `null` when all is live. `lostCamera`: why
 * there is no picture, from a device whose camera is lost.
 */
export function alarmWords(
  link: LinkState,
  status: StatusMessage | null,
  heard: boolean,
  lostCamera: string | null,
): string | null {
  if (link.is !== "connected") {
    return linkAlarmWords(link);
  }
  switch (status?.state) {
    case "offline":
      return say(common.alarmOffline);
    case "stopped":
      return say(common.alarmStopped);
    case "online":
      return lostCamera === null ? null : say(common.alarmCamera, lostCamera);
    case undefined:
      return heard ? say(common.alarmUnknown) : null;
  }
}

export function agoWords(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 2) {
    return say(common.justNow);
  }
  if (s < 60) {
    return say(common.secondsAgo, s);
  }
  if (s < 3600) {
    return say(common.minutesAgo, Math.floor(s / 60));
  }
  return say(common.hoursAgo, Math.floor(s / 3600));
}
