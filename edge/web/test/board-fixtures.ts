// What a board says of itself and of its kept cells, for the tests.

import { BOOT, DEVICE, idOf, MODEL } from "./fixtures";

type Json = Record<string, unknown>;

export function healthJson(change: Json = {}): Json {
  return {
    schema: "smearscope.health/1",
    device: DEVICE,
    boot_id: BOOT,
    at: "2026-11-24T09:15:30Z",
    uptime_s: 86400,
    camera: { state: "running", source: "v4l2:0", fields_per_minute: 28.5, format: "YUYV 1280x960 30 fps" },
    fields: { analysed: 4711, focus: 48.25 },
    store: {
      state: "disk",
      trouble: null,
      set_aside: [],
      pending: 3,
      pending_bytes: 21504,
      kept: 4708,
      series: idOf(1),
      last_seq: 4711,
    },
    drops: { expired: 0, no_room: 0, damaged: 0 },
    broker: { connections: 1, acknowledged: 4708, refused: 0, last_refusal: null, last_loss: null },
    temperature_c: 61.5,
    throttled: [],
    memory_mb: 124.75,
    disk_free_mb: 20480.5,
    ...change,
  };
}

export const measureJson = (measure: string, isOut = false, change: Json = {}): Json => ({
  measure,
  value: isOut ? 202.5 : 152.3,
  low: 120.1,
  high: 190,
  is_out: isOut,
  ...change,
});

/** By default of a board whose slides are stained otherwise than those that its model knows. */
export const driftJson = (change: Json = {}): Json => ({
  state: "drifted",
  fields: 12,
  cells: 1034,
  measures: [measureJson("stain_red", true), measureJson("stain_green"), measureJson("stain_blue", true)],
  ...change,
});

export function modelJson(change: Json = {}): Json {
  return {
    schema: "smearscope.model/1",
    device: DEVICE,
    boot_id: BOOT,
    current: MODEL,
    origin: "program",
    previous: null,
    watch: null,
    signed_at: null,
    update: null,
    ...change,
  };
}

export const updateJson = (state: string, reason: string | null = null): Json => ({
  sha256: "cd".repeat(32),
  size: 14_572_996,
  received: 14_572_996,
  state,
  at: "2026-11-28T09:02:00Z",
  reason,
});

/** The more suspicious the smaller `n`, as a board lists them. */
export function cellJson(n: number, change: Json = {}): Json {
  const p = Math.max(0, 1 - n / 100);
  return {
    id: idOf(n),
    field_id: idOf(1000 + n),
    series: idOf(1),
    seq: n,
    slide: "ward-3_17.b",
    captured_at: "2026-11-24T09:15:30Z",
    clock_synchronised: true,
    reason: "suspicious",
    bbox: [100, 120, 60, 50],
    label: p >= 0.5 ? "parasitized" : "uninfected",
    p_parasitized: p,
    model: MODEL,
    crop: [70, 90, 120, 110],
    decision: null,
    ...change,
  };
}

export const reviewedJson = (change: Json = {}): Json => ({
  confirmed: 3,
  rejected: 1,
  found: 2,
  agreed: 5,
  parasitized: 129,
  parasitemia: { percent: 2.52, low: 2.0, high: 3.2 },
  complete: false,
  ...change,
});

/** The head of a PNG of that size, as base64: enough to be looked at, not enough to be decoded. */
export function pngHead(width: number, height: number): string {
  const bytes = new Uint8Array(24);
  bytes.set([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const view = new DataView(bytes.buffer);
  view.setUint32(16, width);
  view.setUint32(20, height);
  return btoa(String.fromCharCode(...bytes));
}
