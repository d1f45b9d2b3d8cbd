// The fleet: all boards of a broker.

import type { Summary } from "../fleet";
import { en, fr } from "./format";
import { phrase } from "./phrase";

export const fleet = {
  none: {
    en: "No device has reported to this broker yet.",
    fr: "Aucun appareil ne s’est encore annoncé à ce broker.",
  },
  waiting: { en: "Waiting for the broker.", fr: "En attente du broker." },
  noMatch: { en: "No device fits this search.", fr: "Aucun appareil ne correspond à cette recherche." },
  full: phrase<[most: number]>({
    en: (most) => `This broker has more devices than this page shows: only ${en.integer(most)} are here.`,
    fr: (most) => `Ce broker a plus d’appareils que cette page n’en montre : ${fr.integer(most)} seulement sont ici.`,
  }),
  unreadable: phrase<[n: number, last: string]>({
    en: (n, last) => `The last message on ${en.plural(n, "topic", "topics")} could not be read. ${last}`,
    fr: (n, last) => `Le dernier message de ${fr.plural(n, "sujet", "sujets")} est illisible. ${last}`,
  }),

  summary: phrase<[summary: Summary]>({
    en: ({ online, offline, stopped, alarms }) =>
      `${en.integer(online)} online, ${en.integer(offline)} offline, ${en.integer(stopped)} stopped, ${en.integer(alarms)} with alarms`,
    fr: ({ online, offline, stopped, alarms }) =>
      `${fr.integer(online)} en ligne, ${fr.integer(offline)} hors ligne, ${fr.plural(stopped, "arrêté", "arrêtés")}, ${fr.integer(alarms)} avec alarmes`,
  }),
  shown: phrase<[shown: number, all: number]>({
    en: (shown, all) => `${en.integer(shown)} of ${en.plural(all, "device", "devices")} shown`,
    fr: (shown, all) => `${fr.integer(shown)} sur ${fr.plural(all, "appareil", "appareils")}`,
  }),

  search: { en: "Search", fr: "Rechercher" },
  searchHint: { en: "Name, model, version, slide", fr: "Nom, modèle, version, lame" },
  filter: { en: "Show", fr: "Afficher" },
  filters: {
    all: { en: "All", fr: "Tous" },
    alarms: { en: "With alarms", fr: "Avec alarmes" },
    online: { en: "Online", fr: "En ligne" },
    offline: { en: "Offline", fr: "Hors ligne" },
    stopped: { en: "Stopped", fr: "Arrêtés" },
  },

  table: { en: "Devices", fr: "Appareils" },
  order: { en: "Those in trouble come first.", fr: "Ceux qui ont un problème viennent d’abord." },
  device: { en: "Device", fr: "Appareil" },
  alarms: { en: "Alarms", fr: "Alarmes" },
  noAlarms: { en: "none", fr: "aucune" },
  slide: { en: "Slide", fr: "Lame" },
  noSlide: { en: "none yet", fr: "aucune" },
  camera: { en: "Camera", fr: "Caméra" },
  queue: { en: "Queue", fr: "File d’attente" },
  drops: { en: "Dropped", fr: "Perdus" },
  noDrops: { en: "none", fr: "aucun" },
  temperature: { en: "Board", fr: "Carte" },
  program: { en: "Program and model", fr: "Logiciel et modèle" },
  heard: phrase<[seen: string]>({
    en: (seen) => `heard ${seen}`,
    fr: (seen) => `entendu : ${seen}`,
  }),
  pending: phrase<[results: number, bytes: string]>({
    en: (results, bytes) => (results === 0 ? "empty" : `${en.integer(results)} · ${bytes}`),
    fr: (results, bytes) => (results === 0 ? "vide" : `${fr.integer(results)} · ${bytes}`),
  }),
  slideOf: phrase<[percent: string, state: string]>({
    en: (percent, state) => `${percent} · ${state}`,
    fr: (percent, state) => `${percent} · ${state}`,
  }),
  slideStates: {
    insufficient: { en: "too few cells", fr: "trop peu d’hématies" },
    below_detection_limit: { en: "below detection", fr: "sous la limite de détection" },
    sufficient: { en: "enough cells", fr: "assez d’hématies" },
  },
  closed: { en: "closed", fr: "fermée" },
  noCells: { en: "no cell yet", fr: "pas encore d’hématie" },
};
