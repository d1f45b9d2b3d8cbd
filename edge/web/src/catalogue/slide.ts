// The slide: its figure, its course, its notes, what can be done with it, and its print.

import { en, fr } from "./format";
import { phrase, type Phrase } from "./phrase";

export const slide = {
  title: { en: "Slide", fr: "Lame" },
  none: { en: "No slide has been counted yet.", fr: "Aucune lame n’a encore été comptée." },
  stale: { en: "Stale: not live", fr: "Périmé : pas en direct" },
  figureLabel: { en: "Parasitemia, running count", fr: "Parasitémie, compte en cours" },
  figureFinal: { en: "Parasitemia, final count", fr: "Parasitémie, compte final" },
  noCell: { en: "no cell yet", fr: "aucune hématie" },
  interval: phrase<[low: string, high: string, method: string]>({
    en: (low, high, method) => `95 % interval ${low} to ${high} % (${method})`,
    fr: (low, high, method) => `intervalle à 95\u00a0% : ${low} à ${high}\u00a0% (${method})`,
  }),
  methods: {
    wilson: { en: "Wilson", fr: "Wilson" },
    wilson_clustered: { en: "Wilson, clustered by field", fr: "Wilson, par grappes de champs" },
  } as Readonly<Record<string, Phrase<string>>>,
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
  toGo: { en: "Cells to go", fr: "Hématies restantes" },
  parasitized: { en: "Parasitized", fr: "Parasitées" },
  ofRedCells: phrase<[parasitized: number, cells: number]>({
    en: (parasitized, cells) => `${en.integer(parasitized)} of ${en.plural(cells, "red cell", "red cells")}`,
    fr: (parasitized, cells) => `${fr.integer(parasitized)} sur ${fr.plural(cells, "hématie", "hématies")}`,
  }),
  fields: { en: "Fields", fr: "Champs" },
};
