// What commands do to a fake board: what they do to a real one, as far as a page can see.

import { randomUUID } from "node:crypto";

import { cellPictures } from "./fake_cells.mjs";
import { MODEL, reviewedOf } from "./fake_messages.mjs";

/** What a board answers where it doesn't do what it was told. */
export class Refusal extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

const MAX_LIST = 200;
const MAX_PICTURES = 8;
const MAX_NAME = 64;
const MAX_NOTES = 1000;

const badArgs = (command, why) => new Refusal("bad_args", `wrong \`args\` for ${command}: ${why}`);

/** Publishes later: a board answers first. */
const tellOf = (board, ...leaves) => leaves.forEach((leaf) => void board.say(leaf));

function openSlide(board) {
  if (!board.slide || board.slide.closedAt) {
    throw new Refusal("not_now", "no slide is open");
  }
  return board.slide;
}

function setCamera(board, state) {
  board.camera = state;
  tellOf(board, "health");
  return {};
}

function startSlide(board, { id = randomUUID(), notes = "" }) {
  if (board.slide?.id === id || board.cells.some((cell) => cell.slide === id)) {
    throw badArgs("slide.start", `the slide id ${id} was used before`);
  }
  board.slide = { id, startedAt: new Date(), closedAt: null, notes, cells: 0, parasitized: 0 };
  tellOf(board, "slide");
  return { slide: id };
}

function stopSlide(board) {
  const slide = openSlide(board);
  slide.closedAt = new Date();
  tellOf(board, "slide");
  return { slide: slide.id };
}

function noteSlide(board, { text }) {
  const slide = openSlide(board);
  if (typeof text !== "string" || [...text].length > MAX_NOTES) {
    throw badArgs("slide.note", `\`text\` has at most ${MAX_NOTES} characters`);
  }
  slide.notes = text;
  tellOf(board, "slide");
  return { slide: slide.id };
}

function listCells(board, { slide, decided, reason, after, limit = 100 }) {
  if (!(limit >= 1 && limit <= MAX_LIST)) {
    throw badArgs("cells.list", `\`limit\` is 1 to ${MAX_LIST}`);
  }
  const from = after === undefined ? 0 : board.cells.findIndex((cell) => cell.id === after) + 1;
  if (after !== undefined && from === 0) {
    throw badArgs("cells.list", `no cell ${after} is kept`);
  }
  const fits = (cell) =>
    (slide === undefined || cell.slide === slide) &&
    (decided === undefined || decided === (cell.decision !== null)) &&
    (reason === undefined || cell.reason === reason);
  const behind = board.cells.slice(from).filter(fits);
  return {
    cells: behind.slice(0, limit).map(({ number, looksParasitized, ...cell }) => cell),
    total: board.cells.filter(fits).length,
    more: behind.length > limit,
  };
}

function getCells(board, { ids }) {
  if (!Array.isArray(ids) || ids.length < 1 || ids.length > MAX_PICTURES) {
    throw badArgs("cells.get", `\`ids\` are 1 to ${MAX_PICTURES}`);
  }
  const cells = board.cells.filter((cell) => ids.includes(cell.id));
  return {
    cells: cells.map((cell) => {
      const { picture, mask } = cellPictures(cell.number, { ...cell, parasitized: cell.looksParasitized });
      return { id: cell.id, picture: picture.toString("base64"), mask: mask.toString("base64") };
    }),
    missing: ids.filter((id) => !cells.some((cell) => cell.id === id)),
  };
}

function reviewCell(board, { id, verdict, by = null }) {
  const cell = board.cells.find((kept) => kept.id === id);
  if (!cell) {
    throw badArgs("cells.review", `no cell ${id} is kept`);
  }
  if (![null, "parasitized", "uninfected"].includes(verdict)) {
    throw badArgs("cells.review", "`verdict` is parasitized, uninfected or null");
  }
  if (by !== null && (by.length < 1 || [...by].length > MAX_NAME)) {
    throw badArgs("cells.review", `\`by\` has 1 to ${MAX_NAME} characters`);
  }
  cell.decision = verdict === null ? null : { verdict, at: new Date().toISOString(), by };
  tellOf(board, "slide");
  return { id, decision: cell.decision, slide: cell.slide, reviewed: reviewedOf(board, cell.slide) };
}

function listModels(board) {
  const kept = (model, use) =>
    model ? [{ model, origin: model === MODEL ? "installed" : "program", use }] : [];
  return { models: [...kept(board.model, "current"), ...kept(board.previousModel, "previous")] };
}

function modelHistory() {
  const model = `${MODEL.name} ${MODEL.version}`;
  const { sha256 } = MODEL;
  return {
    events: [
      { at: "2026-11-20T09:00:40Z", kind: "taken", sha256, model, reason: null },
      { at: "2026-11-20T09:12:00Z", kind: "stood", sha256, model, reason: null },
      { at: "2026-11-22T10:02:00Z", kind: "refused", sha256: "ef".repeat(32), model: null, reason: "it is not signed" },
    ],
  };
}

function rollBack(board, { from }) {
  if (!board.previousModel) {
    throw new Refusal("not_now", "there is no model to go back to");
  }
  if (from !== undefined && from !== board.model.sha256) {
    throw new Refusal("not_now", `model ${from.slice(0, 12)} does not decide`);
  }
  board.model = board.previousModel;
  board.previousModel = null;
  tellOf(board, "status", "model");
  return { model: board.model };
}

const ping = (board) => ({
  version: board.version,
  at: new Date().toISOString(),
  uptime_s: board.uptime,
  boot_id: board.bootId,
});

/** By name: which arguments it takes, what it does, whether an older program has it. */
const COMMANDS = {
  ping: { args: [], does: ping },
  "capture.pause": { args: [], does: (board) => setCamera(board, "paused") },
  "capture.resume": { args: [], does: (board) => setCamera(board, "running") },
  "capture.once": { args: [], does: () => ({}) },
  "slide.start": { args: ["id", "notes"], does: startSlide },
  "slide.stop": { args: [], does: stopSlide },
  "slide.note": { args: ["text"], does: noteSlide, isNew: true },
  "cells.list": { args: ["slide", "decided", "reason", "after", "limit"], does: listCells, isNew: true },
  "cells.get": { args: ["ids"], does: getCells, isNew: true },
  "cells.review": { args: ["id", "verdict", "by"], does: reviewCell, isNew: true },
  "model.list": { args: [], does: listModels },
  "model.history": { args: [], does: modelHistory },
  "model.rollback": { args: ["from"], does: rollBack },
};

/** Does what a command asks for and gives its result. Throws a `Refusal` where it can't. */
export function carryOut(board, command, args) {
  const known = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
  if (!known || (known.isNew && board.behaviour.old)) {
    throw new Refusal("unknown_command", `there is no command "${command}" here`);
  }
  const unknown = Object.keys(args).find((key) => !known.args.includes(key));
  if (unknown !== undefined) {
    throw badArgs(command, `unknown field \`${unknown}\``);
  }
  return known.does(board, args);
}
