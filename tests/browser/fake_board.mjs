// A board that never had a microscope, for what a real one can't be made to show at will: cells to review, an old program,
// a lost answer, trouble. It publishes what a board publishes and does what commands ask for.
//
//     node fake_board.mjs mqtt://HOST:PORT DEVICE [--cells N] [--seed N] [--old] [--deaf N] [--slow MS] [--live]
//
// --cells N   cells that are kept for review (default 40)      --old      an older program, without cells and notes
// --deaf N    each command's first N tries get no answer       --slow MS  an answer takes that long
// --live      tells of its camera twice a second               --seed N   other cells
//
// Prints one line of JSON when it is there and one for each command that comes, and ends in order with SIGTERM or SIGINT.
// Exit 2: bad usage, or no broker. Scripts can import FakeBoard instead and reach into it.

import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

import mqtt from "mqtt";

import { keptCells } from "./fake_cells.mjs";
import { carryOut, Refusal } from "./fake_commands.mjs";
import { messageOf, MODEL, OLDER_MODEL } from "./fake_messages.mjs";

/** As on a real board: so many commands at once, and so many a second over time. */
const BURST = 20;
const RATE = 5;
const TOO_FAST = new Refusal("rate_limited", "too many commands in too short a time; try again in a second");
/** How many answers are remembered: a command that comes again is not done again. */
const REMEMBERED = 256;

const HEALTH_MS = 30_000;
const LIVE_MS = 500;
const RETAINED = ["status", "health", "model", "slide"];

/** Lets so many commands pass at once, and so many a second over time. */
class Limiter {
  #tokens = BURST;
  #at = Date.now();

  isFree() {
    const now = Date.now();
    this.#tokens = Math.min(BURST, this.#tokens + ((now - this.#at) / 1000) * RATE);
    this.#at = now;
    const isFree = this.#tokens >= 1;
    this.#tokens -= isFree ? 1 : 0;
    return isFree;
  }
}

export class FakeBoard {
  /** Every command as it came: `{request_id, command, args}`; one that was repeated is there again. */
  commands = [];
  /** Called with each of them. */
  onCommand = () => {};
  /** How it misbehaves; may be changed at any time. */
  behaviour = { old: false, deaf: 0, slow: 0 };
  /** What its messages have in place of what a board that is well says, such as `{health: {temperature_c: 90}}`. */
  changes = { status: {}, health: {}, model: {}, slide: {}, live: {} };
  bootId = randomUUID();
  version = "0.2.0";
  camera = "running";
  model = MODEL;
  previousModel = OLDER_MODEL;
  slide = {
    id: "ward-3_17.b",
    startedAt: new Date(Date.now() - 1_200_000),
    closedAt: null,
    notes: "",
    cells: 2170,
    parasitized: 46,
  };
  cells = [];
  #client;
  #limiter = new Limiter();
  #answers = new Map();
  #tries = new Map();
  #begunAt = Date.now() - 3_600_000;
  #timers = [];

  constructor(device) {
    this.device = device;
  }

  /** Connects, publishes all that a board keeps at its broker, and listens. */
  static async connect(url, device, { cells = 40, seed = 1, live = false, behaviour = {}, changes = {} } = {}) {
    const board = new FakeBoard(device);
    Object.assign(board.behaviour, behaviour);
    Object.assign(board.changes, changes);
    board.cells = keptCells(device, { slide: board.slide.id, model: MODEL, seed, amount: cells });
    await board.#open(url);
    board.#timers.push(setInterval(() => void board.say("health"), HEALTH_MS));
    if (live) {
      board.#timers.push(setInterval(() => void board.say("live"), LIVE_MS));
    }
    return board;
  }

  get uptime() {
    return Math.round((Date.now() - this.#begunAt) / 1000);
  }

  /** Publishes `status`, `health`, `model`, `slide` or `live` as it is now. */
  async say(leaf) {
    await this.#publish(leaf, messageOf(this, leaf), leaf !== "live");
  }

  async sayAll() {
    for (const leaf of RETAINED) {
      await this.say(leaf);
    }
  }

  /** Publishes a field (`fake_fields.mjs`) and its picture. */
  async sayField(field, picture) {
    await this.#publish("field", field, false);
    const properties = { contentType: "image/jpeg", userProperties: { field_id: field.id } };
    await this.#client.publishAsync(this.#topic("image/field"), picture, { qos: 0, properties });
  }

  /** Ends in order. */
  async stop() {
    this.#timers.forEach(clearInterval);
    await this.#publish("status", messageOf(this, "status", "stopped"), true);
    await this.#client.endAsync();
  }

  /** Ends without a goodbye, so that the broker says "offline". */
  async crash() {
    this.#timers.forEach(clearInterval);
    this.#client.stream.destroy();
    await this.#client.endAsync(true);
  }

  /** Takes back what a broker keeps of these devices. */
  static async retire(url, devices) {
    const client = await mqtt.connectAsync(url, { protocolVersion: 5 });
    for (const topic of devices.flatMap((device) => RETAINED.map((leaf) => `smearscope/${device}/${leaf}`))) {
      await client.publishAsync(topic, "", { qos: 1, retain: true });
    }
    await client.endAsync();
  }

  async #open(url) {
    const will = JSON.stringify(messageOf(this, "status", "offline"));
    this.#client = await mqtt.connectAsync(url, {
      protocolVersion: 5,
      clientId: `fake-board-${this.device}-${this.bootId.slice(0, 8)}`,
      will: { topic: this.#topic("status"), payload: Buffer.from(will), qos: 1, retain: true },
    });
    this.#client.on("message", (_topic, payload, packet) => this.#hear(payload, packet.properties ?? {}));
    await this.#client.subscribeAsync(this.#topic("command"), { qos: 1 });
    await this.sayAll();
  }

  #topic(leaf) {
    return `smearscope/${this.device}/${leaf}`;
  }

  async #publish(leaf, message, retain) {
    const properties = { contentType: "application/json" };
    await this.#client.publishAsync(this.#topic(leaf), JSON.stringify(message), { qos: 1, retain, properties });
  }

  #hear(payload, { responseTopic, correlationData }) {
    let request;
    try {
      request = JSON.parse(payload.toString());
    } catch {
      // A real board answers that it is malformed; nobody here waits for that.
      return;
    }
    this.commands.push(request);
    this.onCommand(request);
    const answer = this.#limiter.isFree() ? this.#answerOf(request) : refused(this, request, TOO_FAST);
    const tries = (this.#tries.get(request.request_id) ?? 0) + 1;
    this.#tries.set(request.request_id, tries);
    if (responseTopic && tries > this.behaviour.deaf) {
      const send = () =>
        this.#client.publish(responseTopic, JSON.stringify(answer), { qos: 1, properties: { correlationData } });
      setTimeout(send, this.behaviour.slow);
    }
  }

  /** A command is done once, however often it comes. */
  #answerOf(request) {
    const known = this.#answers.get(request.request_id);
    if (known) {
      return known;
    }
    let answer;
    try {
      answer = { ...head(this, request), ok: true, result: carryOut(this, request.command, request.args ?? {}) };
    } catch (error) {
      if (!(error instanceof Refusal)) {
        throw error;
      }
      answer = refused(this, request, error);
    }
    this.#answers.set(request.request_id, answer);
    if (this.#answers.size > REMEMBERED) {
      this.#answers.delete(this.#answers.keys().next().value);
    }
    return answer;
  }
}

const head = ({ device }, { request_id }) => ({ schema: "smearscope.reply/1", device, request_id });

const refused = (board, request, { code, message }) => ({ ...head(board, request), ok: false, error: message, code });

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      cells: { type: "string", default: "40" },
      seed: { type: "string", default: "1" },
      old: { type: "boolean", default: false },
      deaf: { type: "string", default: "0" },
      slow: { type: "string", default: "0" },
      live: { type: "boolean", default: false },
    },
  });
  if (positionals.length !== 2) {
    throw new Error("it takes a broker and a device: node fake_board.mjs mqtt://HOST:PORT DEVICE");
  }
  const [url, device] = positionals;
  const board = await FakeBoard.connect(url, device, {
    cells: Number(values.cells),
    seed: Number(values.seed),
    live: values.live,
    behaviour: { old: values.old, deaf: Number(values.deaf), slow: Number(values.slow) },
  });
  board.onCommand = (request) => console.log(JSON.stringify(request));
  console.log(JSON.stringify({ device, boot_id: board.bootId, cells: board.cells.length }));
  const end = () => void board.stop().then(() => process.exit(0));
  process.once("SIGTERM", end);
  process.once("SIGINT", end);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    console.error(`fake_board: ${error.message}`);
    process.exit(2);
  });
}
