// All boards that a broker knows, and the rules by which a message changes what is known of them.
// No DOM, no network, no clock of its own.

import { alarmsOf, type Alarm } from "./alarms";
import { isDeviceId, type Parsed } from "./messages/checks";
import { parseHealth, type HealthMessage } from "./messages/health";
import { parseLive, type LiveMessage } from "./messages/live";
import { parseModel, type ModelMessage } from "./messages/model";
import { parseSlide, type SlideMessage } from "./messages/slide";
import { parseStatus, type DeviceState, type StatusMessage } from "./messages/status";

/** Which leaves below a device are heard: no fields and no pictures, so that a fleet costs little. */
export const LEAVES = ["status", "health", "model", "slide", "live"] as const;
type Leaf = (typeof LEAVES)[number];

export const FLEET_TOPICS = LEAVES.map((leaf) => `smearscope/+/${leaf}`);

const TOPIC = /^smearscope\/([^/]+)\/([^/]+)$/;

/** A broker full of names must not fill the page. */
export const MAX_BOARDS = 200;
/** So many reports tell whether a queue grows. */
const REPORTS = 8;
/** A camera is told of twice a second; after this long without a word nothing is known of now. */
const LIVE_PATIENCE_MS = 5000;

/** When a board was heard last. */
export type Seen =
  /** By this page's clock, in the time of the page. */
  | { by: "page"; at: number }
  /** All that is known is what it wrote into a message that the broker kept. */
  | { by: "board"; at: Date };

export interface Board {
  readonly name: string;
  status: StatusMessage | null;
  health: HealthMessage | null;
  model: ModelMessage | null;
  slide: SlideMessage | null;
  live: LiveMessage | null;
  /** When `status` came, and when `health` and `live` did. */
  statusAt: number;
  healthAt: number;
  liveAt: number;
  heardAt: number | null;
  /** How many results waited in each of the last reports of this start. */
  queue: number[];
}

/** What can be told of a board at one moment. */
export interface Row {
  board: Board;
  state: DeviceState;
  seen: Seen | null;
  alarms: Alarm[];
  /** The camera's state, or `null` where nothing is known of now. */
  camera: string | null;
}

export type StateFilter = "all" | DeviceState | "alarms";

export interface Summary {
  online: number;
  offline: number;
  stopped: number;
  alarms: number;
}

const emptyBoard = (name: string): Board => ({
  name,
  status: null,
  health: null,
  model: null,
  slide: null,
  live: null,
  statusAt: 0,
  healthAt: -Infinity,
  liveAt: -Infinity,
  heardAt: null,
  queue: [],
});

/** The newest moment that a board wrote into what the broker kept of it. */
function ownTime({ health, model, slide }: Board): Date | null {
  const times = [health?.at, model?.update?.at, slide?.closedAt, slide?.startedAt].filter((at) => at != null);
  return times.reduce<Date | null>((newest, at) => (newest === null || at > newest ? at : newest), null);
}

export class Fleet {
  /** Per topic: why the last message there was ignored. A good message there clears it. */
  readonly problems = new Map<string, string>();
  /** Whether there are more boards than the page keeps. */
  isFull = false;
  private readonly boards = new Map<string, Board>();
  private connectedAt = 0;
  /** The moment at which ages stand still, because nothing can be heard. */
  private lostAt: number | null = null;

  setConnected(isConnected: boolean, now: number): void {
    if (!isConnected) {
      this.lostAt ??= now;
    } else if (this.lostAt !== null || this.connectedAt === 0) {
      this.lostAt = null;
      this.connectedAt = now;
      this.isFull = false;
      // What is retained comes again at once; until then it is not known.
      for (const board of this.boards.values()) {
        board.status = null;
      }
    }
  }

  /** Answers whether anything changed. */
  take(topic: string, payload: Uint8Array, retained: boolean, now: number): boolean {
    const [, name, leaf] = TOPIC.exec(topic) ?? [];
    if (name === undefined || !isDeviceId(name) || !LEAVES.includes(leaf as Leaf)) {
      return false;
    }
    const board = this.boardOf(name, leaf as Leaf);
    if (!board) {
      return false;
    }
    // An empty payload is how MQTT forgets a retained message.
    const isCleared = payload.byteLength === 0;
    if (isCleared) {
      this.problems.delete(topic);
    }
    const change = isCleared ? cleared(board, leaf as Leaf) : this.read(topic, board, leaf as Leaf, payload, now);
    // The broker speaks for a board that is offline.
    if (change && !retained && !(leaf === "status" && board.status?.state === "offline")) {
      board.heardAt = now;
    }
    return change;
  }

  /** Those that have a status, the ones in trouble first. */
  rows(now: number): Row[] {
    const rows = [...this.boards.values()].flatMap((board) => {
      const row = this.rowOf(board, this.lostAt ?? now);
      return row ? [row] : [];
    });
    return rows.sort((a, b) => rankOf(a) - rankOf(b) || names.compare(a.board.name, b.board.name));
  }

  private rowOf(board: Board, now: number): Row | null {
    const { status, health, model, slide, queue, statusAt, healthAt, liveAt, heardAt } = board;
    if (!status) {
      return null;
    }
    const isOnline = status.state === "online";
    const live = isOnline && now - liveAt < LIVE_PATIENCE_MS ? board.live : null;
    const alarms = alarmsOf({
      status,
      health,
      healthAge: now - Math.max(healthAt, statusAt, this.connectedAt),
      live,
      model,
      queue,
      clockSynchronised: slide?.clockSynchronised ?? null,
    });
    const own = ownTime(board);
    const seen: Seen | null = heardAt !== null ? { by: "page", at: heardAt } : own && { by: "board", at: own };
    const isOfNow = isOnline && health?.bootId === status.bootId;
    return { board, state: status.state, seen, alarms, camera: live?.camera ?? (isOfNow ? health.camera.state : null) };
  }

  private boardOf(name: string, leaf: Leaf): Board | null {
    const known = this.boards.get(name);
    if (known) {
      return known;
    }
    if (this.boards.size >= MAX_BOARDS && !(leaf === "status" && this.makeRoom())) {
      this.isFull = true;
      return null;
    }
    const board = emptyBoard(name);
    this.boards.set(name, board);
    return board;
  }

  /** Names that were heard without a status are no boards, as far as anyone says. */
  private makeRoom(): boolean {
    const nobody = [...this.boards.values()].find((board) => board.status === null);
    return nobody !== undefined && this.boards.delete(nobody.name);
  }

  private read(topic: string, board: Board, leaf: Leaf, payload: Uint8Array, now: number): boolean {
    switch (leaf) {
      case "status": {
        const status = this.good(topic, parseStatus(payload, board.name));
        if (status && status.bootId !== board.status?.bootId) {
          board.statusAt = now;
        }
        board.status = status ?? board.status;
        return status !== null;
      }
      case "health": {
        const health = this.good(topic, parseHealth(payload, board.name));
        if (health) {
          const before = health.bootId === board.health?.bootId ? board.queue : [];
          board.queue = [...before, health.store.pending].slice(-REPORTS);
          board.health = health;
          board.healthAt = now;
        }
        return health !== null;
      }
      case "model": {
        const model = this.good(topic, parseModel(payload, board.name));
        board.model = model ?? board.model;
        return model !== null;
      }
      case "slide": {
        const slide = this.good(topic, parseSlide(payload, board.name));
        board.slide = slide ?? board.slide;
        return slide !== null;
      }
      case "live": {
        const live = this.good(topic, parseLive(payload, board.name));
        if (live) {
          board.live = live;
          board.liveAt = now;
        }
        return live !== null;
      }
    }
  }

  private good<T>(topic: string, parsed: Parsed<T>): T | null {
    if (parsed.ok) {
      this.problems.delete(topic);
      return parsed.value;
    }
    this.problems.set(topic, parsed.reason);
    return null;
  }
}

/** Answers whether there was anything to forget. */
function cleared(board: Board, leaf: Leaf): boolean {
  const had = board[leaf] !== null;
  board[leaf] = null;
  return had;
}

/** `kisumu-2` before `kisumu-10`. */
const names = new Intl.Collator("en", { numeric: true });

function rankOf({ alarms, state }: Row): number {
  if (alarms.length > 0) {
    return alarms[0]!.severity === "bad" ? 0 : 1;
  }
  return state === "online" ? 3 : 2;
}

export function summaryOf(rows: readonly Row[]): Summary {
  const summary = { online: 0, offline: 0, stopped: 0, alarms: 0 };
  for (const { state, alarms } of rows) {
    summary[state] += 1;
    summary.alarms += alarms.length > 0 ? 1 : 0;
  }
  return summary;
}

/** Each word of `query` must stand somewhere in what names the board, its programs or its slide. */
export function matches({ board, state, alarms }: Row, query: string, filter: StateFilter): boolean {
  if (filter === "alarms" ? alarms.length === 0 : filter !== "all" && filter !== state) {
    return false;
  }
  const { name, status, model, slide } = board;
  const { name: modelName, version } = model?.current ?? status?.model ?? { name: "", version: "" };
  const found = [name, status?.version ?? "", modelName, version, slide?.id ?? ""].join("\n").toLowerCase();
  return query
    .toLowerCase()
    .split(/\s+/)
    .every((word) => found.includes(word));
}
