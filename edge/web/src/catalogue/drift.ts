// Whether the slides look like those that the model knows.

import { wordOf, type Words } from "./board";
import { en, fr } from "./format";
import { phrase, say } from "./phrase";

const stain = { en: "stain", fr: "coloration" };

export const drift = {
  title: { en: "Does the model fit the slides?", fr: "Le modèle convient-il aux lames ?" },
  states: {
    fits: { en: "yes", fr: "oui" },
    drifted: { en: "no longer", fr: "plus maintenant" },
    too_few: { en: "too early to tell", fr: "trop tôt pour le dire" },
  } as Words,
  judged: phrase<[cells: number, fields: number]>({
    en: (cells, fields) => `Judged from ${en.plural(cells, "cell", "cells")} of ${en.plural(fields, "field", "fields")}.`,
    fr: (cells, fields) =>
      `Jugé sur ${fr.plural(cells, "hématie", "hématies")} de ${fr.plural(fields, "champ", "champs")}.`,
  }),
  tooFew: phrase<[cells: number]>({
    en: (cells) => `${en.plural(cells, "cell was", "cells were")} seen so far: too few to judge from.`,
    fr: (cells) => `${fr.plural(cells, "hématie vue", "hématies vues")} jusqu’ici : trop peu pour juger.`,
  }),

  measure: { en: "Measure", fr: "Mesure" },
  value: { en: "Value", fr: "Valeur" },
  usual: { en: "Usual range", fr: "Plage habituelle" },
  range: phrase<[low: string, high: string]>({
    en: (low, high) => `${low} to ${high}`,
    fr: (low, high) => `${low} à ${high}`,
  }),
  verdict: { en: "Verdict", fr: "Verdict" },
  within: { en: "within", fr: "dans la plage" },
  out: { en: "outside", fr: "hors plage" },

  measures: {
    stain_red: { en: "Stain, red (of 255)", fr: "Coloration, rouge (sur 255)" },
    stain_green: { en: "Stain, green (of 255)", fr: "Coloration, vert (sur 255)" },
    stain_blue: { en: "Stain, blue (of 255)", fr: "Coloration, bleu (sur 255)" },
    cell_diameter: { en: "Cell size (pixels)", fr: "Taille des hématies (pixels)" },
    sharpness: { en: "Sharpness", fr: "Netteté" },
    contrast: { en: "Contrast", fr: "Contraste" },
    probability: {
      en: "Distance of the probabilities (0 to 1)",
      fr: "Écart des probabilités (0 à 1)",
    },
  } as Words,
  /** What a measure is about, where there is room for a word only. */
  kinds: {
    stain_red: stain,
    stain_green: stain,
    stain_blue: stain,
    cell_diameter: { en: "cell size", fr: "taille des hématies" },
    sharpness: { en: "sharpness", fr: "netteté" },
    contrast: { en: "contrast", fr: "contraste" },
    probability: { en: "probabilities", fr: "probabilités" },
  } as Words,
};

/** What these measures are about, each thing once; a measure of a newer board has its own name. */
export const kindsWords = (measures: readonly string[]): string =>
  [...new Set(measures.map((measure) => say(wordOf(drift.kinds, measure))))].join(", ");
