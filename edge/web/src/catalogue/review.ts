// Cells under review: what the machine says, what the reviewer says, and what both make of the slide.

import type { Words } from "./board";
import { en, fr } from "./format";
import { phrase } from "./phrase";

export const review = {
  // Why there is nothing to look at.
  loading: { en: "Asking the board for its cells.", fr: "Demande des hématies à l’appareil." },
  nothingKnown: {
    en: "No cell is here: the board could not be asked.",
    fr: "Aucune hématie ici : l’appareil n’a pas pu être interrogé.",
  },
  tooOld: {
    en: "This board's program is too old to keep cells for review.",
    fr: "Le logiciel de cet appareil est trop ancien pour garder des hématies à relire.",
  },
  again: { en: "Try again", fr: "Réessayer" },
  noneKept: {
    en: "No cell has been kept for review yet. Suspicious ones are, as fields are taken.",
    fr: "Aucune hématie n’a encore été gardée pour relecture. Les suspectes le sont au fil des champs.",
  },
  noneFits: { en: "No cell fits this filter.", fr: "Aucune hématie ne correspond à ce filtre." },
  allDecided: phrase<[n: number]>({
    en: (n) => `Nothing is left to decide: ${en.plural(n, "cell was", "cells were")} looked at.`,
    fr: (n) => `Plus rien à décider : ${fr.plural(n, "hématie relue", "hématies relues")}.`,
  }),
  end: { en: "These were the last ones.", fr: "C’étaient les dernières." },
  reload: { en: "Look for more", fr: "En chercher d’autres" },
  showDecided: { en: "Show the decided ones", fr: "Montrer celles qui sont décidées" },
  away: {
    en: "The board is not online: decisions are not accepted now.",
    fr: "L’appareil n’est pas en ligne : les décisions ne sont pas acceptées en ce moment.",
  },
  unconnected: {
    en: "The page has no connection to the broker: decisions are not accepted now.",
    fr: "La page n’est pas connectée au broker : les décisions ne sont pas acceptées en ce moment.",
  },
  otherSlide: phrase<[slide: string]>({
    en: (slide) => `The board counts another slide now: ${slide}.`,
    fr: (slide) => `L’appareil compte maintenant une autre lame : ${slide}.`,
  }),
  toOtherSlide: { en: "Look at its cells", fr: "Voir ses hématies" },

  // What is shown.
  filters: { en: "Which cells", fr: "Quelles hématies" },
  scope: { en: "Slide", fr: "Lame" },
  scopes: {
    slide: { en: "this slide", fr: "cette lame" },
    all: { en: "all slides", fr: "toutes les lames" },
  },
  decidedFilter: { en: "Decision", fr: "Décision" },
  decideds: {
    undecided: { en: "undecided", fr: "à décider" },
    decided: { en: "decided", fr: "décidées" },
    any: { en: "all", fr: "toutes" },
  },
  reasonFilter: { en: "Kept because", fr: "Gardées car" },
  reasonFilters: {
    any: { en: "any reason", fr: "toute raison" },
    suspicious: { en: "suspicious", fr: "suspectes" },
    threshold: { en: "near the threshold", fr: "proches du seuil" },
    random: { en: "at random", fr: "prises au hasard" },
    novel: { en: "unlike other cells", fr: "différentes des autres" },
  },

  // The cell.
  cellOf: phrase<[n: number, total: number]>({
    en: (n, total) => `Cell ${en.integer(n)} of ${en.integer(total)}`,
    fr: (n, total) => `Hématie ${fr.integer(n)} sur ${fr.integer(total)}`,
  }),
  pictureOf: phrase<[n: number, field: number]>({
    en: (n, field) => `Picture of cell ${en.integer(n)}, of field ${en.integer(field)}`,
    fr: (n, field) => `Image de l’hématie ${fr.integer(n)}, du champ ${fr.integer(field)}`,
  }),
  coming: { en: "The picture is on its way.", fr: "L’image arrive." },
  missing: {
    en: "The board doesn't have this picture any more.",
    fr: "L’appareil n’a plus cette image.",
  },
  undecodable: { en: "The browser can't decode this picture.", fr: "Le navigateur ne peut pas décoder cette image." },
  opinion: { en: "Machine", fr: "Machine" },
  opinionHidden: { en: "hidden", fr: "masqué" },
  opinionOf: phrase<[label: string, p: string]>({
    en: (label, p) => `${label}, p ${p}`,
    fr: (label, p) => `${label}, p ${p}`,
  }),
  field: { en: "Field", fr: "Champ" },
  slide: { en: "Slide", fr: "Lame" },
  noSlide: { en: "of no slide", fr: "d’aucune lame" },
  taken: { en: "Taken", fr: "Prise" },
  clockNotSet: phrase<[time: string]>({
    en: (time) => `${time}; the board's clock was not set`,
    fr: (time) => `${time} ; l’horloge de l’appareil n’était pas réglée`,
  }),
  reason: { en: "Kept because", fr: "Gardée car" },
  reasons: {
    suspicious: { en: "it looks suspicious", fr: "elle paraît suspecte" },
    threshold: { en: "it is near the threshold", fr: "elle est proche du seuil" },
    random: { en: "it was drawn at random", fr: "elle a été tirée au hasard" },
    novel: { en: "it is unlike other cells", fr: "elle est différente des autres hématies" },
  } as Words,
  novelty: { en: "Novelty", fr: "Nouveauté" },
  noveltyOf: phrase<[novelty: number]>({
    en: (novelty) => `${en.decimal(novelty, 1)} times as unusual as a usual cell`,
    fr: (novelty) => `${fr.decimal(novelty, 1)} fois celle d’une hématie habituelle`,
  }),
  model: { en: "Model", fr: "Modèle" },
  decision: { en: "Decision", fr: "Décision" },
  undecided: { en: "none yet", fr: "pas encore" },
  sending: phrase<[verdict: string]>({
    en: (verdict) => `${verdict} (being sent)`,
    fr: (verdict) => `${verdict} (envoi en cours)`,
  }),
  notKept: phrase<[verdict: string]>({
    en: (verdict) => `${verdict}, NOT kept by the board`,
    fr: (verdict) => `${verdict}, NON enregistrée par l’appareil`,
  }),
  keptAt: phrase<[verdict: string, time: string, by: string | null]>({
    en: (verdict, time, by) => `${verdict}, ${time}${by === null ? "" : `, by ${by}`}`,
    fr: (verdict, time, by) => `${verdict}, ${time}${by === null ? "" : `, par ${by}`}`,
  }),
  withdrawn: { en: "withdrawn", fr: "retirée" },
  withdraw: { en: "Withdraw", fr: "Retirer la décision" },

  // What can be done.
  actions: { en: "Decide", fr: "Décider" },
  parasitized: { en: "Parasitized", fr: "Parasitée" },
  uninfected: { en: "Uninfected", fr: "Non parasitée" },
  skip: { en: "Skip", fr: "Passer" },
  back: { en: "Back", fr: "Précédente" },
  undo: { en: "Undo", fr: "Annuler" },
  mask: { en: "Outline", fr: "Contour" },
  hide: { en: "Hide the machine's opinion", fr: "Masquer l’avis de la machine" },
  closer: { en: "Closer", fr: "De plus près" },
  help: { en: "Keys", fr: "Touches" },
  strip: { en: "Cells, the most suspicious first", fr: "Hématies, les plus suspectes d’abord" },
  thumbnail: phrase<[n: number, verdict: string | null]>({
    en: (n, verdict) => `Cell ${en.integer(n)}${verdict === null ? "" : `: ${verdict}`}`,
    fr: (n, verdict) => `Hématie ${fr.integer(n)}${verdict === null ? "" : ` : ${verdict}`}`,
  }),
  unsent: phrase<[n: number]>({
    en: (n) => `${en.plural(n, "decision was", "decisions were")} not kept by the board.`,
    fr: (n) => fr.plural(n, "décision n’a pas été enregistrée", "décisions n’ont pas été enregistrées") + " par l’appareil.",
  }),
  unsentWhy: phrase<[unsent: string, why: string]>({
    en: (unsent, why) => `${unsent} ${why}`,
    fr: (unsent, why) => `${unsent} ${why}`,
  }),
  resend: { en: "Send again", fr: "Renvoyer" },

  // How far it is, and what it makes of the slide.
  progress: { en: "Progress", fr: "Avancement" },
  progressOf: phrase<[decided: number, total: number]>({
    en: (decided, total) => `${en.integer(decided)} of ${en.plural(total, "kept cell", "kept cells")} decided`,
    fr: (decided, total) =>
      `${fr.plural(decided, "décidée", "décidées")} sur ${fr.plural(total, "hématie gardée", "hématies gardées")}`,
  }),
  figures: { en: "Parasitemia", fr: "Parasitémie" },
  byMachine: { en: "Machine", fr: "Machine" },
  byReviewer: { en: "With review", fr: "Après relecture" },
  notReviewed: { en: "no decision yet", fr: "aucune décision" },
  interval: phrase<[low: string, high: string]>({
    en: (low, high) => `95 % interval ${low} to ${high} %`,
    fr: (low, high) => `intervalle à 95\u00a0% : ${low} à ${high}\u00a0%`,
  }),
  confirmed: { en: "Confirmed", fr: "Confirmées" },
  rejected: { en: "Rejected", fr: "Rejetées" },
  found: { en: "Found", fr: "Trouvées" },
  agreed: { en: "Agreed uninfected", fr: "Confirmées non parasitées" },
  complete: {
    en: "Complete: every cell that the machine called parasitized was looked at.",
    fr: "Complet : toutes les hématies jugées parasitées par la machine ont été relues.",
  },
  incomplete: phrase<[n: number]>({
    en: (n) => `${en.plural(n, "cell", "cells")} that the machine called parasitized still to be looked at.`,
    fr: (n) => `Encore ${fr.plural(n, "hématie jugée parasitée", "hématies jugées parasitées")} par la machine à relire.`,
  }),

  // What is set up once.
  settings: { en: "Reviewer", fr: "Relecteur" },
  name: { en: "Your name (optional)", fr: "Votre nom (facultatif)" },
  nameHint: {
    en: "It is kept with each decision, and in this browser.",
    fr: "Il est gardé avec chaque décision, et dans ce navigateur.",
  },
  shortcuts: { en: "Single keys decide", fr: "Décider d’une seule touche" },
  helpTitle: { en: "Keys", fr: "Touches du clavier" },
  helpText: {
    en: "Decisions are sent at once; the next cell comes up by itself.",
    fr: "Les décisions sont envoyées aussitôt ; l’hématie suivante s’affiche d’elle-même.",
  },
  shortcutsOff: {
    en: "Single keys are switched off. The arrow keys still work in the row of cells.",
    fr: "Les touches seules sont désactivées. Les flèches marchent encore dans la rangée d’hématies.",
  },
  close: { en: "Close", fr: "Fermer" },
};
