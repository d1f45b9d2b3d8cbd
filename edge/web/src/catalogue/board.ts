// What a board is and does, for the fleet and the device alike.

import { en, fr } from "./format";
import { phrase, type Phrase } from "./phrase";

/** By the word of the wire. */
export type Words = Readonly<Record<string, Phrase<string>>>;

export const board = {
  online: { en: "online", fr: "en ligne" },
  offline: { en: "offline", fr: "hors ligne" },
  stopped: { en: "stopped", fr: "arrêté" },
  was: phrase<[state: string]>({ en: (state) => `was ${state}`, fr: (state) => `était ${state}` }),
  away: {
    en: "The board is not online, so it takes no commands.",
    fr: "L’appareil n’est pas en ligne : il ne prend pas de commandes.",
  },
  noConnection: {
    en: "This page has no connection to the broker, so no command gets to the board.",
    fr: "Cette page n’a pas de connexion au broker : aucune commande n’arrive à l’appareil.",
  },

  cameras: {
    running: { en: "running", fr: "en marche" },
    paused: { en: "paused", fr: "en pause" },
    ended: { en: "no more fields", fr: "plus de champs" },
    lost: { en: "lost", fr: "perdue" },
  } as Words,

  updates: {
    receiving: { en: "receiving", fr: "réception" },
    checking: { en: "checking", fr: "vérification" },
    switching: { en: "about to decide", fr: "sur le point de décider" },
    watching: { en: "decides, and is watched", fr: "décide, sous surveillance" },
    installed: { en: "installed", fr: "installé" },
    refused: { en: "refused", fr: "refusé" },
    rolled_back: { en: "taken back", fr: "retiré" },
  } as Words,
  receivedShare: phrase<[share: number]>({
    en: (share) => `receiving, ${en.percent(share)}`,
    fr: (share) => `réception, ${fr.percent(share)}`,
  }),
  watched: phrase<[cells: number, needed: number]>({
    en: (cells, needed) => `watched: ${en.integer(cells)} of ${en.integer(needed)} cells`,
    fr: (cells, needed) => `sous surveillance : ${fr.integer(cells)} sur ${fr.integer(needed)} hématies`,
  }),
  model: phrase<[name: string, version: string]>({
    en: (name, version) => `${name} ${version}`,
    fr: (name, version) => `${name} ${version}`,
  }),

  bytes: phrase<[n: number]>({
    en: (n) => scaled(n, en.decimal, ["B", "kB", "MB", "GB"]),
    fr: (n) => scaled(n, fr.decimal, ["o", "ko", "Mo", "Go"]),
  }),
  duration: phrase<[seconds: number]>({
    en: (seconds) => parts(seconds, ["d", "h", "min", "s"]),
    fr: (seconds) => parts(seconds, ["j", "h", "min", "s"]),
  }),
  celsius: phrase<[degrees: number]>({
    en: (degrees) => `${en.integer(degrees)} °C`,
    fr: (degrees) => `${fr.integer(degrees)} °C`,
  }),

  seenByOwnClock: phrase<[time: string]>({
    en: (time) => `${time}, board clock`,
    fr: (time) => `${time}, horloge de l’appareil`,
  }),
  seenNever: {
    en: "not heard since this page was opened",
    fr: "pas entendu depuis l’ouverture de cette page",
  },
};

function scaled(n: number, decimal: (n: number, decimals: number) => string, units: readonly string[]): string {
  const step = Math.min(Math.floor(Math.log10(Math.max(n, 1)) / 3), units.length - 1);
  const value = n / 1000 ** step;
  return `${decimal(value, step > 0 && value < 10 ? 1 : 0)}\u00a0${units[step]!}`;
}

/** The two largest parts: of days nobody needs the seconds. */
function parts(seconds: number, [d, h, min, s]: readonly [string, string, string, string]): string {
  const whole = Math.floor(seconds);
  const all: [number, string][] = [
    [Math.floor(whole / 86_400), d],
    [Math.floor(whole / 3600) % 24, h],
    [Math.floor(whole / 60) % 60, min],
    [whole % 60, s],
  ];
  const first = all.findIndex(([n]) => n > 0);
  return all
    .slice(first < 0 ? -1 : first)
    .slice(0, 2)
    .map(([n, unit]) => `${n}\u00a0${unit}`)
    .join(" ");
}

/** What the wire's word means; a word of a newer board is shown as it is. */
export function wordOf(words: Words, word: string): Phrase<string> {
  const known = Object.hasOwn(words, word) ? words[word] : undefined;
  return known ?? { en: word, fr: word };
}
