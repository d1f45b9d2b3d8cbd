// What a board can be told to do, each with its answer in words.

import type { Asker } from "../ask";
import { board as boardWording } from "../catalogue/board";
import { device as wording } from "../catalogue/device";
import { say, type Phrase } from "../catalogue/phrase";
import type { Json, Parsed } from "../messages/checks";
import { parsePong, type Pong } from "../messages/pong";
import { ToldLine, useCommand } from "./command-button";

/** Less than this between two clocks is the way of the messages. */
const NOTABLE_SKEW_S = 3;

const nothing = (_: Json): Parsed<null> => ({ ok: true, value: null });

/** `took`: milliseconds until the answer came at `now`. */
export function pongWords(pong: Pong, took: number, now: number): string {
  const words = say(wording.pong, Math.round(took), say(boardWording.duration, pong.uptimeS));
  // On average the board read its clock half of the way ago.
  const skew = Math.round((pong.at.getTime() - (now - took / 2)) / 1000);
  return Math.abs(skew) < NOTABLE_SKEW_S ? words : say(wording.pongClock, words, skew);
}

/** `away`: why it takes none now. Both of pause and resume are there, since the report that tells which is of use may be half a minute old. */
export function CommandsCard({ asker, away }: { asker: Asker; away: string | null }) {
  const { told, isBusy, run } = useCommand();
  const isOff = away !== null || isBusy;
  const ping = (): void => {
    const begin = performance.now();
    void run(
      () => asker.ask("ping", {}, parsePong),
      (pong) => pongWords(pong, performance.now() - begin, Date.now()),
    );
  };
  const simple = (command: string, label: Phrase<string>, done: Phrase<string>) => (
    <button
      type="button"
      class="button"
      disabled={isOff}
      onClick={() => void run(() => asker.ask(command, {}, nothing), () => say(done))}
    >
      {say(label)}
    </button>
  );
  return (
    <section class="card" aria-labelledby="commands-title">
      <h2 id="commands-title">{say(wording.commands)}</h2>
      <div class="device-buttons">
        <button type="button" class="button" disabled={isOff} onClick={ping}>
          {say(wording.ping)}
        </button>
        {simple("capture.pause", wording.pause, wording.paused)}
        {simple("capture.resume", wording.resume, wording.resumed)}
        {simple("capture.once", wording.once, wording.taken)}
      </div>
      {away !== null && <p class="quiet">{away}</p>}
      <ToldLine told={told} />
    </section>
  );
}
