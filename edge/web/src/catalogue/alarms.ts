// Each alarm in some words, and what the board says of it.

import { dropped, type Alarm } from "../alarms";
import type { Drops } from "../messages/health";
import { kindsWords } from "./drift";
import { en, fr } from "./format";
import { phrase, say, type Phrase } from "./phrase";

const inBrackets = (words: string): string => (words === "" ? "" : ` (${words})`);

export const alarms = {
  short: {
    offline: { en: "Offline", fr: "Hors ligne" },
    camera_lost: { en: "Camera lost", fr: "Caméra perdue" },
    health_overdue: phrase<[seconds: number]>({
      en: (seconds) => `No report for ${en.plural(seconds, "second", "seconds")}`,
      fr: (seconds) => `Aucun bilan depuis ${fr.plural(seconds, "seconde", "secondes")}`,
    }),
    store_trouble: { en: "Results can't be stored", fr: "Résultats impossibles à enregistrer" },
    only_in_memory: { en: "Results in memory only", fr: "Résultats en mémoire seulement" },
    set_aside: phrase<[files: number]>({
      en: (files) => `${en.plural(files, "damaged file", "damaged files")} set aside`,
      fr: (files) => fr.plural(files, "fichier endommagé mis de côté", "fichiers endommagés mis de côté"),
    }),
    drops: phrase<[results: number]>({
      en: (results) => `${en.plural(results, "result", "results")} dropped`,
      fr: (results) => fr.plural(results, "résultat perdu", "résultats perdus"),
    }),
    queue_large: phrase<[pending: number]>({
      en: (pending) => `Queue is large: ${en.integer(pending)}`,
      fr: (pending) => `File d’attente longue : ${fr.integer(pending)}`,
    }),
    queue_growing: phrase<[pending: number]>({
      en: (pending) => `Queue grows: ${en.integer(pending)}`,
      fr: (pending) => `La file d’attente s’allonge : ${fr.integer(pending)}`,
    }),
    under_voltage: { en: "Power supply too weak", fr: "Alimentation électrique trop faible" },
    throttled: { en: "Processor slowed down", fr: "Processeur ralenti" },
    hot: phrase<[celsius: number]>({
      en: (celsius) => `Hot: ${en.integer(celsius)} °C`,
      fr: (celsius) => `Trop chaud : ${fr.integer(celsius)} °C`,
    }),
    disk_low: phrase<[megabytes: number]>({
      en: (megabytes) => `Disk nearly full: ${en.integer(megabytes)} MB free`,
      fr: (megabytes) => `Disque presque plein : ${fr.integer(megabytes)} Mo libres`,
    }),
    update_refused: { en: "Model refused", fr: "Modèle refusé" },
    rolled_back: { en: "Model taken back", fr: "Modèle retiré" },
    drifted: phrase<[kinds: string]>({
      en: (kinds) => `The model no longer fits the slides${inBrackets(kinds)}`,
      fr: (kinds) => `Le modèle ne convient plus aux lames${inBrackets(kinds)}`,
    }),
    broker_refusal: { en: "Refused by the broker", fr: "Refus du broker" },
    cells_trouble: { en: "Cells can't be kept for review", fr: "Hématies impossibles à garder pour relecture" },
    clock_not_set: { en: "Clock not set", fr: "Horloge non réglée" },
  } satisfies Record<Alarm["key"], unknown>,

  drops: phrase<[drops: Drops]>({
    en: ({ expired, noRoom, damaged }) =>
      `${en.integer(expired)} too old, ${en.integer(noRoom)} no room, ${en.integer(damaged)} damaged`,
    fr: ({ expired, noRoom, damaged }) =>
      `${fr.integer(expired)} trop anciens, ${fr.integer(noRoom)} faute de place, ${fr.integer(damaged)} endommagés`,
  }),
};

const CAUSES: ReadonlyMap<string, Phrase<string>> = new Map([
  ["under_voltage", { en: "power supply too weak", fr: "alimentation trop faible" }],
  ["frequency_capped", { en: "frequency capped", fr: "fréquence plafonnée" }],
  ["throttled", { en: "slowed down", fr: "ralenti" }],
  ["temperature_limit", { en: "temperature limit passed", fr: "limite de température dépassée" }],
]);

/** What slows the processor down; a word of a newer board is shown as it is. */
export function throttlingWords(causes: readonly string[]): string {
  return causes
    .map((cause) => {
      const known = CAUSES.get(cause);
      return known ? say(known) : cause;
    })
    .join(", ");
}

export function alarmWords(alarm: Alarm): string {
  const { short } = alarms;
  switch (alarm.key) {
    case "health_overdue":
      return say(short.health_overdue, alarm.seconds);
    case "set_aside":
      return say(short.set_aside, alarm.files);
    case "drops":
      return say(short.drops, dropped(alarm.drops));
    case "queue_large":
      return say(short.queue_large, alarm.pending);
    case "queue_growing":
      return say(short.queue_growing, alarm.pending);
    case "hot":
      return say(short.hot, alarm.celsius);
    case "disk_low":
      return say(short.disk_low, alarm.megabytes);
    case "drifted":
      return say(short.drifted, kindsWords(alarm.measures));
    default:
      return say(short[alarm.key]);
  }
}

/** What more there is to say of it; `null` where that is nothing. */
export function alarmDetail(alarm: Alarm): string | null {
  switch (alarm.key) {
    case "drops":
      return say(alarms.drops, alarm.drops);
    case "throttled":
      return throttlingWords(alarm.causes);
    default:
      return "why" in alarm ? alarm.why : null;
  }
}
