// Payloads as the device sends them, for the tests.

export const DEVICE = "demo-1";
export const BOOT = "01890000-0000-7000-8000-00000000b007";
export const MODEL = { name: "densenet121", version: "1.0.0", sha256: "ab".repeat(32) };

/** UUIDv7-like: a larger number is a later moment. */
export const idOf = (n: number): string => `01890000-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;

type Json = Record<string, unknown>;

export const bytes = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));

export function fieldJson(n: number, change: Json = {}): Json {
  return {
    schema: "smearscope.field/1",
    id: idOf(n),
    device: DEVICE,
    seq: n,
    boot_id: BOOT,
    slide: idOf(9),
    captured_at: "2025-01-02T03:04:05Z",
    source: "synthetic:1",
    width: 640,
    height: 480,
    quality: { focus: 1.5, exposure: 0.9, crowded: false, cell_diameter: 79.6, objective_too_low: false },
    cells: [
      { bbox: [10, 20, 30, 40], label: "parasitized", p_parasitized: 0.75 },
      { bbox: [100, 20, 30, 40], label: "uninfected", p_parasitized: 0.05 },
    ],
    others: [{ bbox: [0, 0, 8, 8], kind: "edge" }],
    counts: { cells: 2, parasitized: 1 },
    timing_ms: { segment: 1, classify: 2, total: 3 },
    counted: { cells: 2, parasitized: 1 },
    model: MODEL,
    ...change,
  };
}

export function slideJson(change: Json = {}): Json {
  return {
    schema: "smearscope.slide/1",
    id: idOf(9),
    device: DEVICE,
    started_at: "2025-01-02T03:04:05Z",
    fields: 9,
    cells: 1240,
    parasitized: 6,
    parasitemia: { percent: 0.4839, low: 0.2218, high: 1.0523 },
    interval: "wilson",
    cells_needed: 5000,
    state: "insufficient",
    ...change,
  };
}

export function liveJson(change: Json = {}): Json {
  return {
    schema: "smearscope.live/1",
    device: DEVICE,
    boot_id: BOOT,
    at: "2025-01-02T03:04:05Z",
    camera: "running",
    focus: 12.5,
    exposure: 0.875,
    verdict: "out_of_focus",
    reason: "Out of focus: turn the fine knob until the figure is highest.",
    is_analysing: false,
    ...change,
  };
}

export function statusJson(change: Json = {}): Json {
  return {
    schema: "smearscope.status/1",
    state: "online",
    device: DEVICE,
    version: "0.1.0",
    model: MODEL,
    boot_id: BOOT,
    ...change,
  };
}
