// The slide: its figure, its course, its notes, what can be done with it, and its print.

import { en, fr } from "./format";
import { phrase } from "./phrase";

export const slide = {
  title: { en: "Slide", fr: "Lame" },
  none: { en: "No slide has been counted yet.", fr: "Aucune lame n’a encore été comptée." },
  stale: { en: "Stale: not live", fr: "Périmé : pas en direct" },
  figureLabel: { en: "Parasitemia, running count", fr: "Parasitémie, en cours" },
  figureFinal: { en: "Parasitemia, final count", fr: "Parasitémie, finale" },
  noCell: { en: "no cell yet", fr: "aucune hématie" },
  interval: phrase<[low: string, high: string, method: string]>({
    en: (low, high, method) => `95 % interval ${low} to ${high} % (${method})`,
    fr: (low, high, method) => `intervalle à 95\u00a0% : ${low} à ${high}\u00a0% (${method})`,
  }),
  methods: {
    wilson: { en: "Wilson", fr: "Wilson" },
    wilson_clustered: { en: "Wilson, clustered by field", fr: "Wilson, par grappes de champs" },
  },
  progress: { en: "Cells counted of cells needed", fr: "Hématies comptées sur celles qu’il faut" },

  // The state in words.
  insufficient: phrase<[cells: number, needed: number]>({
    en: (cells, needed) => `insufficient: ${en.integer(cells)} of ${en.integer(needed)} cells counted`,
    fr: (cells, needed) => `insuffisant : ${fr.integer(cells)} hématies comptées sur ${fr.integer(needed)}`,
  }),
  belowLimit: phrase<[cells: number]>({
    en: (cells) =>
      `below the detection limit: ${en.integer(cells)} cells counted, and what was found can't be told from the model's false positives`,
    fr: (cells) =>
      `sous la limite de détection : ${fr.integer(cells)} hématies comptées, et ce qui a été trouvé ne se distingue pas des faux positifs du modèle`,
  }),
  sufficient: phrase<[cells: number, needed: number]>({
    en: (cells, needed) => `sufficient: ${en.integer(cells)} cells counted, ${en.integer(needed)} needed`,
    fr: (cells, needed) => `suffisant : ${fr.integer(cells)} hématies comptées, il en faut ${fr.integer(needed)}`,
  }),
  toGo: { en: "Cells to go", fr: "Reste à compter" },
  parasitized: { en: "Parasitized", fr: "Parasitées" },
  ofRedCells: phrase<[parasitized: number, cells: number]>({
    en: (parasitized, cells) => `${en.integer(parasitized)} of ${en.plural(cells, "red cell", "red cells")}`,
    fr: (parasitized, cells) => `${fr.integer(parasitized)} sur ${fr.plural(cells, "hématie", "hématies")}`,
  }),
  fields: { en: "Fields", fr: "Champs" },
  cells: { en: "Red cells", fr: "Hématies" },
  parasitemia: { en: "Parasitemia", fr: "Parasitémie" },
  intervalName: { en: "95 % interval", fr: "Intervalle à 95\u00a0%" },
  range: phrase<[low: string, high: string]>({
    en: (low, high) => `${low} to ${high} %`,
    fr: (low, high) => `${low} à ${high}\u00a0%`,
  }),

  // Which slide.
  named: phrase<[id: string]>({ en: (id) => `Slide ${id}`, fr: (id) => `Lame ${id}` }),
  open: phrase<[since: string]>({ en: (since) => `Open since ${since}`, fr: (since) => `Ouverte depuis le ${since}` }),
  closed: phrase<[at: string]>({ en: (at) => `Closed on ${at}`, fr: (at) => `Fermée le ${at}` }),

  // The band.
  byMachine: { en: "Machine", fr: "Machine" },
  byReviewer: { en: "Reviewed", fr: "Après relecture" },
  byCorrection: { en: "Corrected for the model's errors", fr: "Corrigée des erreurs du modèle" },
  limitMark: phrase<[percent: number]>({
    en: (percent) => `detection limit ${en.decimal(percent, 2)} %`,
    fr: (percent) => `limite de détection ${fr.decimal(percent, 2)}\u00a0%`,
  }),
  bandRow: phrase<[name: string, percent: string, low: string, high: string]>({
    en: (name, percent, low, high) => `${name}: ${percent}, 95 % interval ${low} to ${high} %`,
    fr: (name, percent, low, high) => `${name} : ${percent}, intervalle à 95\u00a0% de ${low} à ${high}\u00a0%`,
  }),

  // The reviewer's figure.
  reviewTitle: { en: "Reviewed", fr: "Après relecture" },
  reviewComplete: {
    en: "Each cell that the machine called parasitized was looked at.",
    fr: "Chaque hématie que la machine a dite parasitée a été relue.",
  },
  reviewPartial: {
    en: "Not all cells that the machine called parasitized were looked at yet.",
    fr: "Les hématies que la machine a dites parasitées n’ont pas encore toutes été relues.",
  },
  reviewCounts: phrase<[confirmed: number, rejected: number, found: number]>({
    en: (confirmed, rejected, found) =>
      `${en.integer(confirmed)} confirmed, ${en.integer(rejected)} rejected, ${en.integer(found)} found besides`,
    fr: (confirmed, rejected, found) =>
      `${fr.plural(confirmed, "confirmée", "confirmées")}, ${fr.plural(rejected, "rejetée", "rejetées")}, ${fr.plural(found, "trouvée", "trouvées")} en plus`,
  }),

  // The course.
  courseTitle: { en: "How the estimate converged", fr: "Convergence de l’estimation" },
  cellsCounted: { en: "red cells counted", fr: "hématies comptées" },
  coursePoint: phrase<[cells: number, percent: string, low: string, high: string]>({
    en: (cells, percent, low, high) => `after ${en.integer(cells)} cells ${percent} (${low} to ${high} %)`,
    fr: (cells, percent, low, high) => `après ${fr.integer(cells)} hématies ${percent} (${low} à ${high}\u00a0%)`,
  }),
  courseSays: phrase<[points: string]>({
    en: (points) => `How the estimate converged: ${points}`,
    fr: (points) => `Convergence de l’estimation : ${points}`,
  }),
  keyEstimate: { en: "estimate", fr: "estimation" },
  keyInterval: { en: "95 % interval", fr: "intervalle à 95\u00a0%" },
  keyNeeded: { en: "cells needed", fr: "hématies nécessaires" },
  keyLimit: { en: "detection limit", fr: "limite de détection" },
  asTable: { en: "As a table", fr: "Sous forme de tableau" },

  // The last fields.
  lastFields: { en: "Last fields", fr: "Derniers champs" },
  noThumbnail: { en: "not seen here", fr: "pas vu ici" },
  fieldNumber: phrase<[seq: number]>({ en: (seq) => `Field ${en.integer(seq)}`, fr: (seq) => `Champ ${fr.integer(seq)}` }),
  ofCells: phrase<[parasitized: number, cells: number]>({
    en: (parasitized, cells) => `${en.integer(parasitized)} of ${en.integer(cells)}`,
    fr: (parasitized, cells) => `${fr.integer(parasitized)} sur ${fr.integer(cells)}`,
  }),
  focusOf: phrase<[figure: string]>({ en: (figure) => `focus ${figure}`, fr: (figure) => `netteté ${figure}` }),

  // In figures.
  details: { en: "In figures", fr: "En chiffres" },
  perMicrolitre: { en: "Parasites per µL", fr: "Parasites par µL" },
  perMicrolitreValue: phrase<[count: number, low: number, high: number]>({
    en: (count, low, high) => `${en.integer(count)} (${en.integer(low)} to ${en.integer(high)})`,
    fr: (count, low, high) => `${fr.integer(count)} (${fr.integer(low)} à ${fr.integer(high)})`,
  }),
  perMicrolitreFrom: phrase<[redCells: number, corrected: boolean]>({
    en: (redCells, corrected) =>
      `from ${en.integer(redCells)} red cells per µL, as configured; ${corrected ? "of the corrected rate" : "the model's own errors are in it"}`,
    fr: (redCells, corrected) =>
      `pour ${fr.integer(redCells)} hématies par µL, valeur configurée ; ${corrected ? "d’après le taux corrigé" : "les erreurs du modèle y sont comprises"}`,
  }),
  corrected: { en: "Corrected rate", fr: "Taux corrigé" },
  limit: { en: "Detection limit", fr: "Limite de détection" },
  limitValue: phrase<[limit: number, above: boolean]>({
    en: (limit, above) => `${en.decimal(limit, 2)} %; the raw rate lies ${above ? "above" : "below"} it`,
    fr: (limit, above) =>
      `${fr.decimal(limit, 2)}\u00a0% ; le taux brut est ${above ? "au-dessus" : "au-dessous"}`,
  }),
  falsePositives: phrase<[percent: number, dataset: string]>({
    en: (percent, dataset) => `false positives of the model: ${en.decimal(percent, 2)} % (${dataset})`,
    fr: (percent, dataset) => `faux positifs du modèle : ${fr.decimal(percent, 2)}\u00a0% (${dataset})`,
  }),
  designEffect: { en: "Scatter of the fields", fr: "Dispersion des champs" },
  designEffectValue: phrase<[ratio: number]>({
    en: (ratio) => `${en.decimal(ratio, 2)} times that of independent cells`,
    fr: (ratio) => `${fr.decimal(ratio, 2)} fois celle d’hématies indépendantes`,
  }),
  focus: { en: "Focus", fr: "Mise au point" },
  focusValue: phrase<[mean: string, min: string]>({
    en: (mean, min) => `${mean} on average, ${min} at least`,
    fr: (mean, min) => `${mean} en moyenne, ${min} au minimum`,
  }),
  leftOut: { en: "Not counted", fr: "Non comptées" },
  leftOutValue: phrase<[cells: number, fields: number, cause: string]>({
    en: (cells, fields, cause) =>
      `${en.plural(cells, "cell", "cells")} of ${en.plural(fields, "field", "fields")}: ${cause}`,
    fr: (cells, fields, cause) =>
      `${fr.plural(cells, "hématie", "hématies")} de ${fr.plural(fields, "champ", "champs")} : ${cause}`,
  }),
  leftOutCauses: {
    crowded: { en: "too crowded", fr: "trop dense" },
    overlap: { en: "overlap with a field counted before", fr: "recouvrement avec un champ déjà compté" },
  },
  turnedAway: { en: "Not analysed", fr: "Non analysées" },
  turnedAwayValue: phrase<[frames: number, cause: string]>({
    en: (frames, cause) => `${en.plural(frames, "picture", "pictures")}: ${cause}`,
    fr: (frames, cause) => `${fr.plural(frames, "image", "images")} : ${cause}`,
  }),
  models: { en: "Model", fr: "Modèle" },
  modelValue: phrase<[name: string, version: string, cells: number]>({
    en: (name, version, cells) => `${name} ${version}, ${en.plural(cells, "cell", "cells")}`,
    fr: (name, version, cells) => `${name} ${version}, ${fr.plural(cells, "hématie", "hématies")}`,
  }),
  started: { en: "Started", fr: "Commencée" },
  ended: { en: "Closed", fr: "Fermée" },
  duration: { en: "Open for", fr: "Ouverte pendant" },
  clockNotSet: {
    en: "The board's clock was not set: these times may be wrong.",
    fr: "L’horloge de la carte n’était pas à l’heure : ces dates peuvent être fausses.",
  },
  device: { en: "Device", fr: "Appareil" },

  // What can be done.
  actions: { en: "Slide on the stage", fr: "Lame sous l’objectif" },
  idLabel: { en: "Name of the slide (optional)", fr: "Nom de la lame (facultatif)" },
  idHint: {
    en: "As it is written on the slide: letters without accents, digits, and . _ -. Never a patient's name.",
    fr: "Comme il est écrit sur la lame : lettres sans accent, chiffres, et . _ -. Jamais le nom d’un patient.",
  },
  idWrong: {
    en: "1 to 64 letters without accents, digits, dots, underscores or hyphens, no dot first.",
    fr: "De 1 à 64 lettres sans accent, chiffres, points, tirets bas ou traits d’union, sans point au début.",
  },
  start: { en: "Start a slide", fr: "Commencer une lame" },
  begun: phrase<[id: string]>({ en: (id) => `Slide ${id} was started.`, fr: (id) => `La lame ${id} est commencée.` }),
  stop: { en: "Close the slide", fr: "Fermer la lame" },
  stopped: phrase<[id: string]>({ en: (id) => `Slide ${id} was closed.`, fr: (id) => `La lame ${id} est fermée.` }),
  stopAsk: phrase<[id: string]>({ en: (id) => `Close slide ${id}?`, fr: (id) => `Fermer la lame ${id} ?` }),
  startAsk: phrase<[id: string]>({
    en: (id) => `Close slide ${id} and start another?`,
    fr: (id) => `Fermer la lame ${id} et en commencer une autre ?`,
  }),
  closeSays: phrase<[cells: number, toGo: number]>({
    en: (cells, toGo) =>
      `${en.plural(cells, "cell was", "cells were")} counted${toGo > 0 ? `, ${en.integer(toGo)} are still to go` : ""}. A closed slide can't be opened again.`,
    fr: (cells, toGo) =>
      `${fr.plural(cells, "hématie comptée", "hématies comptées")}${toGo > 0 ? `, il en reste ${fr.integer(toGo)}` : ""}. Une lame fermée ne peut pas être rouverte.`,
  }),
  cancel: { en: "Cancel", fr: "Annuler" },
  print: { en: "Print", fr: "Imprimer" },
  report: { en: "The board's report", fr: "Rapport de la carte" },

  // Notes.
  notes: { en: "Notes", fr: "Notes" },
  notesLabel: { en: "Notes on this slide", fr: "Notes sur cette lame" },
  notesWarning: {
    en: "Never write a patient's name here: notes are not protected.",
    fr: "N’écrivez jamais ici le nom d’un patient : les notes ne sont pas protégées.",
  },
  notesLength: phrase<[length: number, most: number]>({
    en: (length, most) => `${en.integer(length)} of ${en.integer(most)} characters`,
    fr: (length, most) => `${fr.integer(length)} caractères sur ${fr.integer(most)}`,
  }),
  notesTooLong: phrase<[most: number]>({
    en: (most) => `Too long: at most ${en.integer(most)} characters can be saved.`,
    fr: (most) => `Trop long : ${fr.integer(most)} caractères au plus peuvent être enregistrés.`,
  }),
  notesSave: { en: "Save the notes", fr: "Enregistrer les notes" },
  notesSaved: { en: "Saved", fr: "Enregistré" },
  notesUnsaved: { en: "Not saved", fr: "Non enregistré" },
  notesNone: { en: "No notes.", fr: "Pas de notes." },
  notesFirst: {
    en: "Its notes are not saved, and can't be saved afterwards.",
    fr: "Ses notes ne sont pas enregistrées et ne pourront plus l’être ensuite.",
  },
  notesTooLate: {
    en: "The slide was closed before these notes were saved. They can't be saved any more.",
    fr: "La lame a été fermée avant l’enregistrement de ces notes. Elles ne peuvent plus être enregistrées.",
  },

  // On paper.
  printed: phrase<[device: string, at: string]>({
    en: (device, at) => `Device ${device}, printed on ${at}`,
    fr: (device, at) => `Appareil ${device}, imprimé le ${at}`,
  }),
};
