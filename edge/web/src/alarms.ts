// What somebody should look after on a board, from all that is known of it. Pure: it neither
// listens nor has a clock.

import type { Drops, HealthMessage } from "./messages/health";
import type { LiveMessage } from "./messages/live";
import type { ModelMessage } from "./messages/model";
import type { StatusMessage } from "./messages/status";

/** "bad": results are lost or not made, or soon will be. "wait": look at it when there is time. */
export type Severity = "bad" | "wait";

type Cause =
  | { key: "offline" }
  | { key: "camera_lost"; why: string | null }
  | { key: "health_overdue"; seconds: number }
  | { key: "store_trouble"; why: string }
  | { key: "only_in_memory" }
  | { key: "set_aside"; files: number }
  | { key: "drops"; drops: Drops }
  | { key: "queue_large"; pending: number }
  | { key: "queue_growing"; pending: number }
  | { key: "under_voltage" }
  /** The other causes, as the board names them. */
  | { key: "throttled"; causes: string[] }
  | { key: "hot"; celsius: number }
  | { key: "disk_low"; megabytes: number }
  | { key: "update_refused"; why: string | null }
  | { key: "rolled_back"; why: string | null }
  /** The measures that are out of their usual range, as the board names them. */
  | { key: "drifted"; measures: string[] }
  | { key: "broker_refusal"; why: string }
  | { key: "cells_trouble"; why: string }
  | { key: "clock_not_set" };

export type Alarm = Cause & { severity: Severity };

/** All that is known of a board; `null` where nothing came. */
export interface Facts {
  status: StatusMessage | null;
  health: HealthMessage | null;
  /** Milliseconds since `health` came; where there is none, since one was to be expected. */
  healthAge: number;
  live: LiveMessage | null;
  model: ModelMessage | null;
  /** How many results waited in each of the last reports, the newest last. */
  queue: readonly number[];
  /** What its last slide says of the clock; `null` where that is not known. */
  clockSynchronised: boolean | null;
}

/** A board reports each 30 seconds; three reports missed are no accident. */
const HEALTH_OVERDUE_MS = 90_000;
const HOT_C = 80;
const LOW_DISK_MB = 200;
const LARGE_QUEUE = 1000;
/** A board that only waits for the broker's next acknowledgement has some in its queue all the time. */
const GROWTH = 20;
const GROWING_REPORTS = 4;
const RECENT_REFUSAL_MS = 10 * 60_000;

const bad = (cause: Cause): Alarm => ({ severity: "bad", ...cause });
const wait = (cause: Cause): Alarm => ({ severity: "wait", ...cause });

export const dropped = (drops: Drops): number => drops.expired + drops.noRoom + drops.damaged;

function isGrowing(queue: readonly number[]): boolean {
  const last = queue.slice(-GROWING_REPORTS);
  const rises = last.every((pending, i) => i === 0 || pending > last[i - 1]!);
  return last.length === GROWING_REPORTS && rises && last.at(-1)! - last[0]! >= GROWTH;
}

function ofModel(model: ModelMessage | null): Alarm[] {
  const update = model?.update;
  switch (update?.state) {
    case "refused":
      return [wait({ key: "update_refused", why: update.reason })];
    case "rolled_back":
      return [wait({ key: "rolled_back", why: update.reason })];
    default:
      return [];
  }
}

function ofSlides({ drift }: HealthMessage): Alarm[] {
  if (drift?.state !== "drifted") {
    return [];
  }
  return [wait({ key: "drifted", measures: drift.measures.filter((m) => m.isOut).map((m) => m.name) })];
}

function ofCamera(health: HealthMessage | null, live: LiveMessage | null): Alarm[] {
  // It is told of twice a second, of health only now and then.
  if (live) {
    return live.camera === "lost" ? [bad({ key: "camera_lost", why: live.reason })] : [];
  }
  return health?.camera.state === "lost" ? [bad({ key: "camera_lost", why: health.camera.trouble })] : [];
}

function ofStore({ store, drops, diskFreeMb, cells }: HealthMessage, queue: readonly number[]): Alarm[] {
  const alarms: Alarm[] = [];
  if (store.trouble !== null) {
    alarms.push(bad({ key: "store_trouble", why: store.trouble }));
  } else if (store.state === "memory") {
    alarms.push(wait({ key: "only_in_memory" }));
  }
  if (store.setAside.length > 0) {
    alarms.push(wait({ key: "set_aside", files: store.setAside.length }));
  }
  if (dropped(drops) > 0) {
    alarms.push(bad({ key: "drops", drops }));
  }
  if (store.pending >= LARGE_QUEUE) {
    alarms.push(wait({ key: "queue_large", pending: store.pending }));
  } else if (isGrowing(queue)) {
    alarms.push(wait({ key: "queue_growing", pending: store.pending }));
  }
  if (diskFreeMb !== null && diskFreeMb < LOW_DISK_MB) {
    alarms.push(bad({ key: "disk_low", megabytes: diskFreeMb }));
  }
  if (cells?.trouble != null) {
    alarms.push(wait({ key: "cells_trouble", why: cells.trouble }));
  }
  return alarms;
}

function ofMachine({ temperatureC, throttled }: HealthMessage): Alarm[] {
  const alarms: Alarm[] = [];
  if (throttled?.includes("under_voltage")) {
    alarms.push(bad({ key: "under_voltage" }));
  }
  const causes = throttled?.filter((cause) => cause !== "under_voltage") ?? [];
  if (causes.length > 0) {
    alarms.push(wait({ key: "throttled", causes }));
  }
  if (temperatureC !== null && temperatureC >= HOT_C) {
    alarms.push(wait({ key: "hot", celsius: temperatureC }));
  }
  return alarms;
}

function ofBroker({ at, broker: { lastRefusal } }: HealthMessage): Alarm[] {
  // Both times are the board's, so it doesn't matter whether its clock is right.
  const isRecent = lastRefusal !== null && at.getTime() - lastRefusal.at.getTime() <= RECENT_REFUSAL_MS;
  return isRecent ? [wait({ key: "broker_refusal", why: lastRefusal.reason })] : [];
}

/** The bad ones first. Of a board that is not there, only what is still true of it is said. */
export function alarmsOf(facts: Facts): Alarm[] {
  const { status, model, healthAge, clockSynchronised } = facts;
  if (status?.state !== "online") {
    return status?.state === "offline" ? [bad({ key: "offline" }), ...ofModel(model)] : ofModel(model);
  }
  // What an earlier start of the board told may have been mended by the new one.
  const health = facts.health?.bootId === status.bootId ? facts.health : null;
  const live = facts.live?.bootId === status.bootId ? facts.live : null;
  const alarms = [
    ...ofCamera(health, live),
    ...(health ? [...ofStore(health, facts.queue), ...ofMachine(health), ...ofBroker(health), ...ofSlides(health)] : []),
    ...ofModel(model),
  ];
  if (healthAge > HEALTH_OVERDUE_MS) {
    alarms.push(wait({ key: "health_overdue", seconds: Math.floor(healthAge / 1000) }));
  }
  if (clockSynchronised === false) {
    alarms.push(wait({ key: "clock_not_set" }));
  }
  return [...alarms.filter((a) => a.severity === "bad"), ...alarms.filter((a) => a.severity === "wait")];
}
