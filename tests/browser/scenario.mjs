// What every script of this folder does around what it looks at: it reads its arguments, opens a browser, waits for things to
// be seen, and ends with one line of JSON or one sentence.
//
// Exit 0: all of it was seen, and no page reported an error that was not provoked. 1: it was not seen; the reason is on
// standard error. 2: bad usage, or nothing to try it with.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";

import { CannotTry, launch, watchErrors } from "./browser.mjs";

const EXIT_NOT_SEEN = 1;
const EXIT_CANNOT_TRY = 2;

const POLL_MS = 100;
/** What is left for a browser that hangs. */
const GRACE_MS = 10_000;

export const DESK = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };

/** What should be on the page is not. */
export class NotSeen extends Error {}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** One run of a script. */
export class Run {
  #browser;
  #deadline;
  #folder;
  #provoked = [];
  #errors = [];
  #closing = [];
  #commands = new Map();

  constructor(name, args, { timeout, pictures }) {
    this.name = name;
    this.args = args;
    this.timeout = timeout;
    this.#folder = pictures;
    this.#deadline = Date.now() + timeout * 1000;
  }

  get left() {
    return Math.max(this.#deadline - Date.now(), 1);
  }

  /** The errors that nobody provoked. */
  get errors() {
    return this.#errors.filter((error) => !this.#provoked.some((kind) => kind.test(error)));
  }

  /** Errors of this kind are what the script itself brings about. */
  provokes(...kinds) {
    this.#provoked.push(...kinds);
  }

  /** What is to be ended with the run, the last first. */
  atEnd(close) {
    this.#closing.unshift(close);
  }

  /** A page in a browser profile of its own: nothing of another page is known there. */
  async open(url, { init, ...options } = {}) {
    this.#browser ??= await launch();
    const context = await this.#browser.newContext({ viewport: DESK, locale: "en-GB", ...options });
    context.setDefaultTimeout(this.left);
    watchErrors(context, (error) => this.#errors.push(error));
    if (init) {
      await context.addInitScript(init);
    }
    const page = await context.newPage();
    this.#listen(page);
    if (url) {
      await page.goto(url);
    }
    return page;
  }

  /** The commands to boards that a page has sent, in their order; one that was repeated is there again. */
  commandsOf(page) {
    return this.#commands.get(page);
  }

  #listen(page) {
    const commands = [];
    this.#commands.set(page, commands);
    page.on("websocket", (socket) =>
      socket.on("framesent", ({ payload }) => {
        const [, command] = /"command":"([\w.]+)"/.exec(payload.toString("latin1")) ?? [];
        if (command) {
          commands.push(command);
        }
      }),
    );
  }

  /** Looks again and again until `isSeen` is content with what `look` gives, and gives that. */
  async until(what, look, isSeen = Boolean) {
    let seen;
    for (;;) {
      try {
        seen = await look();
        if (isSeen(seen)) {
          return seen;
        }
      } catch (error) {
        // A page that is just being loaded can't be asked.
        seen = sentenceOf(error);
      }
      if (Date.now() >= this.#deadline) {
        throw new NotSeen(`within ${this.timeout} s there is not ${what}, but ${JSON.stringify(seen) ?? "nothing"}`);
      }
      await pause(POLL_MS);
    }
  }

  /** Says what should be so and is not. */
  expect(isSo, sentence) {
    if (!isSo) {
      throw new NotSeen(sentence);
    }
  }

  /** Where pictures are wanted, the page as it is now. */
  async picture(page, name, options = { fullPage: true }) {
    if (this.#folder) {
      mkdirSync(this.#folder, { recursive: true });
      await page.screenshot({ path: join(this.#folder, `${name}.png`), ...options });
    }
  }

  async close() {
    for (const close of this.#closing.splice(0)) {
      await close();
    }
    await this.#browser?.close();
    this.#browser = undefined;
  }

  /** All pages as they were when the run failed. */
  async keepEvidence() {
    const pages = this.#browser?.contexts().flatMap((context) => context.pages()) ?? [];
    for (const [n, page] of pages.entries()) {
      await this.picture(page, `${this.name}-failed-${n + 1}`).catch(() => {});
    }
  }
}

function read({ name, usage, places, options, needs }) {
  const usual = { timeout: { type: "string", default: "90" }, pictures: { type: "string" } };
  try {
    const { values, positionals } = parseArgs({ allowPositionals: true, options: { ...usual, ...options } });
    const timeout = Number(values.timeout);
    if (positionals.length !== places.length || !(timeout > 0)) {
      throw new Error(`it takes ${places.join(", ")}, and a timeout above 0`);
    }
    const lacking = needs.find((option) => values[option] === undefined);
    if (lacking) {
      throw new Error(`it needs --${lacking}`);
    }
    const placed = places.map((place, i) => {
      const given = positionals[i];
      return [place, place === "device" ? given : new URL(given).href];
    });
    return new Run(name, { ...values, ...Object.fromEntries(placed) }, { timeout, pictures: values.pictures });
  } catch (error) {
    throw new CannotTry(`bad usage (${error.message}); node ${name}.mjs ${usage} [--timeout SECONDS] [--pictures FOLDER]`);
  }
}

/** The first line, and what Playwright waited for. */
function sentenceOf({ message }) {
  const [first, ...more] = message.split("\n");
  const waited = more.find((line) => line.includes("waiting for"));
  return waited ? `${first} (${waited.replace(/^[-\s]*/, "")})` : first;
}

/**
 * Runs a script: `look(run)` gives what it saw, or throws. `places` are the arguments that it takes: a device, else addresses;
 * `needs` are the options that must be given. The timeout is for all of it.
 */
export async function scenario({ name, usage, places = ["url"], options = {}, needs = [] }, look) {
  const end = (code, sentence) => {
    console.error(`${name}: ${sentence.replace(/\.?$/, ".")}`);
    process.exit(code);
  };
  let run;
  let seen;
  let failure;
  try {
    run = read({ name, usage, places, options, needs });
    const late = setTimeout(() => end(EXIT_NOT_SEEN, `it took longer than ${run.timeout} s`), run.left + GRACE_MS);
    const begin = Date.now();
    seen = { ...(await look(run)), seconds: (Date.now() - begin) / 1000 };
    clearTimeout(late);
  } catch (error) {
    failure = error;
    await run?.keepEvidence();
  }
  const errors = run?.errors ?? [];
  await run?.close().catch(() => {});
  if (failure) {
    const reported = errors.length > 0 ? `; the page reported errors: ${errors.join("; ")}` : "";
    end(failure instanceof CannotTry ? EXIT_CANNOT_TRY : EXIT_NOT_SEEN, sentenceOf(failure) + reported);
  }
  console.log(JSON.stringify({ ...seen, errors }));
  if (errors.length > 0) {
    end(EXIT_NOT_SEEN, `the page reported errors: ${errors.join("; ")}`);
  }
  process.exit(0);
}
