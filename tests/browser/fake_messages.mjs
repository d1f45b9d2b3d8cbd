// What a fake board publishes, from its state. `board.changes` has the last word on every message.

import { uuidOf } from "./fake_cells.mjs";

export const MODEL = { name: "smearscope-nih", version: "2.0.0", sha256: "ab".repeat(32) };
export const OLDER_MODEL = { name: "smearscope-nih", version: "1.4.2", sha256: "cd".repeat(32) };

const CELLS_NEEDED = 5000;
/** Bytes that a kept cell takes on the disk, about. */
const BYTES_PER_CELL = 18_000;

/** Wilson's interval at 95 %, in percent; `null` before the first cell. */
function parasitemiaOf(hits, n) {
  if (n === 0) {
    return null;
  }
  const z = 1.959964;
  const p = hits / n;
  const middle = (p + z ** 2 / (2 * n)) / (1 + z ** 2 / n);
  const half = (z * Math.sqrt((p * (1 - p)) / n + z ** 2 / (4 * n ** 2))) / (1 + z ** 2 / n);
  const percent = (share) => 100 * Math.min(Math.max(share, 0), 1);
  return { percent: percent(p), low: percent(middle - half), high: percent(middle + half) };
}

/** What was decided on the cells of the slide that is counted; `null` where that is nothing. */
export function reviewedOf({ cells, slide }, id) {
  const count = (label, verdict) =>
    cells.filter((cell) => cell.slide === id && cell.label === label && cell.decision?.verdict === verdict).length;
  const confirmed = count("parasitized", "parasitized");
  const rejected = count("parasitized", "uninfected");
  const found = count("uninfected", "parasitized");
  const agreed = count("uninfected", "uninfected");
  if (confirmed + rejected + found + agreed === 0 || id !== slide?.id) {
    return null;
  }
  const parasitized = slide.parasitized - rejected + found;
  return {
    confirmed,
    rejected,
    found,
    agreed,
    parasitized,
    parasitemia: parasitemiaOf(parasitized, slide.cells),
    complete: confirmed + rejected >= slide.parasitized,
  };
}

const measure = (name, value, low, high) => ({ measure: name, value, low, high, is_out: value < low || value > high });

/** In `health` of a board whose slides are paler than those that its model knows, and their cells smaller. */
export const DRIFTED = {
  state: "drifted",
  fields: 12,
  cells: 1034,
  measures: [
    measure("stain_red", 221.5, 180.25, 214),
    measure("stain_green", 190.75, 120.5, 168),
    measure("stain_blue", 176, 130, 181.5),
    measure("cell_diameter", 51.5, 58, 84.25),
    measure("sharpness", 31.25, 12.5, 60),
    measure("contrast", 0.315, 0.21, 0.48),
    measure("probability", 0.1312, 0, 0.36),
  ],
};

const status = (board, state = "online") => ({
  state,
  version: board.version,
  model: board.model,
});

const health = (board) => ({
  at: new Date().toISOString(),
  uptime_s: board.uptime,
  camera: {
    state: board.camera,
    source: "v4l2:usb-Microscope_0001",
    fields_per_minute: 28.5,
    format: "YUYV 1280x960 30 fps",
    trouble: null,
    frames: 54_000,
    lost_frames: 12,
    faulty_frames: 2,
    reopened: 1,
  },
  fields: {
    analysed: 4711,
    focus: 48.25,
    gated: {
      blank: 10,
      too_dark: 20,
      too_bright: 5,
      out_of_focus: 400,
      moving: 9000,
      crowded: 7,
      seen_before: 12_000,
      new: 4711,
    },
    repeats: 230,
    uncertain_overlaps: 4,
  },
  store: {
    state: "disk",
    trouble: null,
    set_aside: [],
    pending: 3,
    pending_bytes: 21_504,
    kept: 4708,
    series: uuidOf(board.device, "series"),
    last_seq: 4711,
  },
  drops: { expired: 0, no_room: 0, damaged: 0 },
  broker: { connections: 1, acknowledged: 4708, refused: 0, last_refusal: null, last_loss: null },
  temperature_c: 61.5,
  throttled: [],
  memory_mb: 124.75,
  written_mb: 86.5,
  disk_free_mb: 20_480.5,
  ...(!board.behaviour.old && {
    cells: {
      kept: board.cells.length,
      reviewed: board.cells.filter(({ decision }) => decision !== null).length,
      bytes: BYTES_PER_CELL * board.cells.length,
      max_bytes: 64_000_000,
      trouble: null,
    },
    drift: null,
  }),
});

const model = (board) => ({
  current: board.model,
  origin: board.model === MODEL ? "installed" : "program",
  previous: board.previousModel,
  watch: null,
  signed_at: "2026-11-20T08:59:58Z",
  update: null,
});

const live = (board) => ({
  at: new Date().toISOString(),
  camera: board.camera,
  focus: 48 + 4 * Math.sin(Date.now() / 3000),
  exposure: 0.875,
  verdict: "seen_before",
  reason: "Seen before. Move on.",
  is_analysing: false,
});

const slide = (board) => ({
  id: board.slide.id,
  started_at: board.slide.startedAt.toISOString(),
  closed_at: board.slide.closedAt?.toISOString() ?? null,
  fields: Math.ceil(board.slide.cells / 80),
  cells: board.slide.cells,
  parasitized: board.slide.parasitized,
  parasitemia: parasitemiaOf(board.slide.parasitized, board.slide.cells),
  interval: "wilson",
  cells_needed: CELLS_NEEDED,
  state: board.slide.cells < CELLS_NEEDED ? "insufficient" : "sufficient",
  clock_synchronised: true,
  ...(!board.behaviour.old && {
    notes: board.slide.notes,
    course: [],
    recent: [],
    reviewed: reviewedOf(board, board.slide.id),
  }),
});

const MESSAGES = { status, health, model, live, slide };

/** One of the messages `status`, `health`, `model`, `live` and `slide` as the board would send it now. */
export function messageOf(board, leaf, ...values) {
  return {
    schema: `smearscope.${leaf}/1`,
    device: board.device,
    // A slide outlives the start of the program.
    ...(leaf !== "slide" && { boot_id: board.bootId }),
    ...MESSAGES[leaf](board, ...values),
    ...board.changes[leaf],
  };
}
