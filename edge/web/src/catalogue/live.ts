// The field of view, what the camera sees now, the last result.

import { en, fr } from "./format";
import { phrase, type Phrase } from "./phrase";

export const live = {
  // The picture.
  fieldTitle: { en: "Field of view", fr: "Champ" },
  noPicture: { en: "No picture yet", fr: "Pas encore d’image" },
  pictureAlone: { en: "Picture of a field without boxes", fr: "Image d’un champ, sans contours" },
  pictureBoxed: phrase<[seq: number, counts: string]>({
    en: (seq, counts) => `Field ${en.integer(seq)}, every cell boxed: ${counts}`,
    fr: (seq, counts) => `Champ ${fr.integer(seq)}, chaque hématie entourée : ${counts}`,
  }),
  stage: { en: "Picture of the field", fr: "Image du champ" },
  stageKeys: {
    en: "Plus and minus zoom, 0 shows the whole field, the arrow keys move it.",
    fr: "Plus et moins agrandissent ou réduisent, 0 montre tout le champ, les flèches le déplacent.",
  },
  zoomIn: { en: "Zoom in", fr: "Agrandir" },
  zoomOut: { en: "Zoom out", fr: "Réduire" },
  wholeField: { en: "Whole field", fr: "Tout le champ" },
  zoomed: phrase<[zoom: number]>({
    en: (zoom) => `${en.decimal(zoom, 1)}×`,
    fr: (zoom) => `${fr.decimal(zoom, 1)}×`,
  }),
  hold: { en: "Hold the picture", fr: "Figer l’image" },
  letGo: { en: "Go on live", fr: "Reprendre le direct" },
  held: { en: "Held: not live", fr: "Image figée : pas en direct" },
  misfit: phrase<[picture: string, field: string]>({
    en: (picture, field) => `The picture (${picture}) has not the shape of its field (${field}): no boxes.`,
    fr: (picture, field) => `L’image (${picture}) n’a pas la forme de son champ (${field}) : pas de contours.`,
  }),

  // Which of picture and result is ahead.
  pictureToCome: phrase<[seq: number]>({
    en: (seq) => `The result of field ${en.integer(seq)} is here; its picture is still to come.`,
    fr: (seq) => `Le résultat du champ ${fr.integer(seq)} est là ; son image n’est pas encore arrivée.`,
  }),
  waiting: { en: "Waiting for the first field.", fr: "En attente du premier champ." },
  resultToCome: {
    en: "A picture is here, its result is not: no boxes yet.",
    fr: "Une image est là, son résultat non : pas encore de contours.",
  },
  pictureNewer: phrase<[seq: number]>({
    en: (seq) =>
      `The picture is newer than the newest result (field ${en.integer(seq)}): no boxes until its own result comes.`,
    fr: (seq) =>
      `L’image est plus récente que le dernier résultat (champ ${fr.integer(seq)}) : pas de contours avant son propre résultat.`,
  }),
  pictureOlder: phrase<[seq: number]>({
    en: (seq) =>
      `The picture is older than the newest result (field ${en.integer(seq)}) and its own result is not here: no boxes.`,
    fr: (seq) =>
      `L’image est plus ancienne que le dernier résultat (champ ${fr.integer(seq)}) et son propre résultat n’est pas là : pas de contours.`,
  }),
  pairOf: phrase<[seq: number]>({
    en: (seq) => `Picture and boxes: field ${en.integer(seq)}.`,
    fr: (seq) => `Image et contours : champ ${fr.integer(seq)}.`,
  }),
  pairBehind: phrase<[seq: number, newer: number]>({
    en: (seq, newer) =>
      `Picture and boxes: field ${en.integer(seq)}. The result of field ${en.integer(newer)} is newer; its picture is still to come.`,
    fr: (seq, newer) =>
      `Image et contours : champ ${fr.integer(seq)}. Le résultat du champ ${fr.integer(newer)} est plus récent ; son image n’est pas encore arrivée.`,
  }),

  // What the boxes mean.
  legend: { en: "What the boxes mean", fr: "Ce que veulent dire les contours" },
  notCounted: { en: "not counted", fr: "non comptée" },
  countedBefore: { en: "counted in a field before", fr: "comptée dans un champ précédent" },
  suspects: { en: "Parasitized cells by probability", fr: "Hématies parasitées, par probabilité" },
  suspectsMore: phrase<[n: number]>({
    en: (n) => `and ${en.integer(n)} more`,
    fr: (n) => `et ${fr.integer(n)} de plus`,
  }),
  showCell: phrase<[p: string, x: number, y: number, before: boolean]>({
    en: (p, x, y, before) =>
      `Probability ${p}, at ${x}, ${y} of the picture${before ? ", counted in a field before" : ""}: show it`,
    fr: (p, x, y, before) =>
      `Probabilité ${p}, à ${x}, ${y} de l’image${before ? ", comptée dans un champ précédent" : ""} : la montrer`,
  }),
  cell: phrase<[label: string, p: string, before: boolean]>({
    en: (label, p, before) => `${label} · p ${p}${before ? " · counted before" : ""}`,
    fr: (label, p, before) => `${label} · p ${p}${before ? " · déjà comptée" : ""}`,
  }),

  // What the camera sees now.
  nowTitle: { en: "Now", fr: "Maintenant" },
  focusLabel: { en: "Focus, the higher the sharper", fr: "Mise au point : plus haut, plus net" },
  noLivePicture: { en: "No live picture", fr: "Pas d’image en direct" },
  noLiveReason: {
    en: "Nothing has come from the camera for some seconds.",
    fr: "Rien n’est venu de la caméra depuis quelques secondes.",
  },
  analysing: { en: "Analysing a field", fr: "Analyse d’un champ" },
  noFigure: { en: "No figure in the last minute", fr: "Aucun chiffre dans la dernière minute" },
  best: phrase<[focus: string, ago: string]>({
    en: (focus, ago) => `Best of the last minute: ${focus}, ${ago}`,
    fr: (focus, ago) => `Maximum en une minute : ${focus}, ${ago}`,
  }),
  bestAndNow: phrase<[focus: string, ago: string, share: string]>({
    en: (focus, ago, share) => `Best of the last minute: ${focus}, ${ago}; now ${share} of it`,
    fr: (focus, ago, share) => `Maximum en une minute : ${focus}, ${ago} ; maintenant à ${share}`,
  }),
  light: { en: "Light", fr: "Lumière" },
  lightDark: phrase<[share: string]>({
    en: (share) => `too dark, ${share} of full scale`,
    fr: (share) => `trop sombre, ${share} de la pleine échelle`,
  }),
  lightBurnt: phrase<[share: string]>({
    en: (share) => `burnt out, ${share} of full scale`,
    fr: (share) => `surexposée, ${share} de la pleine échelle`,
  }),
  lightFine: phrase<[share: string]>({
    en: (share) => `fine, ${share} of full scale`,
    fr: (share) => `bonne, ${share} de la pleine échelle`,
  }),
  verdicts: {
    blank: { en: "Nothing in view", fr: "Rien dans le champ" },
    too_dark: { en: "Too dark", fr: "Trop sombre" },
    too_bright: { en: "Burnt out", fr: "Surexposé" },
    out_of_focus: { en: "Out of focus", fr: "Flou" },
    moving: { en: "Moving", fr: "En mouvement" },
    crowded: { en: "Too crowded", fr: "Trop dense" },
    seen_before: { en: "Seen before", fr: "Déjà vu" },
    new: { en: "New field", fr: "Nouveau champ" },
  },
  cameraLost: { en: "Camera lost", fr: "Caméra perdue" },
  cameraPaused: { en: "Paused", fr: "En pause" },
  cameraEnded: { en: "No more fields", fr: "Plus de champs" },

  /** A board gives its reasons in English, with its own figures; here is what to do in the other language. */
  reasons: {
    blank: {
      en: "Nothing to see: move to where the smear is, or turn the coarse focus.",
      fr: "Rien à voir : allez là où se trouve le frottis, ou tournez la vis macrométrique.",
    },
    too_dark: {
      en: "Too dark. Turn up the lamp or open the condenser.",
      fr: "Trop sombre. Augmentez la lumière de la lampe ou ouvrez le condenseur.",
    },
    too_bright: {
      en: "Too bright. Turn down the lamp.",
      fr: "Trop clair. Baissez la lumière de la lampe.",
    },
    out_of_focus: {
      en: "Out of focus. Turn the fine focus to where the figure is highest.",
      fr: "Flou. Tournez la vis micrométrique jusqu’à ce que le chiffre soit au plus haut.",
    },
    moving: {
      en: "Not still yet: hold still for a moment.",
      fr: "Pas encore immobile : ne bougez plus la lame un instant.",
    },
    crowded: {
      en: "Crowded. Move to where the cells lie side by side.",
      fr: "Trop dense. Allez là où les hématies sont côte à côte.",
    },
    seen_before: { en: "Seen before. Move on.", fr: "Déjà vu. Passez à un autre champ." },
    new: { en: "A new field.", fr: "Un nouveau champ." },
  },

  // Where the slides are not such as the model knows.
  unlike: {
    en: "The slides look different from those that the model knows: figures may mislead. Tell who looks after the board.",
    fr: "Les lames ne ressemblent pas à celles que le modèle connaît : les chiffres peuvent tromper. Prévenez la personne qui s’occupe de l’appareil.",
  },

  // The last result.
  lastTitle: { en: "Last result", fr: "Dernier résultat" },
  lastNone: { en: "No field has been received yet.", fr: "Aucun champ n’a encore été reçu." },
  number: { en: "Number", fr: "Numéro" },
  taken: { en: "Taken", fr: "Pris" },
  received: { en: "Received", fr: "Reçu" },
  found: { en: "Found", fr: "Trouvé" },
  counted: { en: "Counted", fr: "Compté" },
  overlap: { en: "Overlap", fr: "Recouvrement" },
  focus: { en: "Focus", fr: "Mise au point" },
  exposure: { en: "Exposure", fr: "Exposition" },
  crowded: { en: "Crowded", fr: "Densité" },
  cellSize: { en: "Cell size", fr: "Taille des hématies" },
  source: { en: "Source", fr: "Source" },
  crowdedYes: {
    en: "yes: cells overlap, the count is doubtful",
    fr: "trop dense : des hématies se recouvrent, le compte est douteux",
  },
  crowdedNo: { en: "no", fr: "normale" },
  counts: phrase<[cells: number, parasitized: number]>({
    en: (cells, parasitized) => `${en.plural(cells, "red cell", "red cells")}, ${en.integer(parasitized)} parasitized`,
    fr: (cells, parasitized) =>
      `${fr.plural(cells, "hématie", "hématies")}, ${fr.plural(parasitized, "parasitée", "parasitées")}`,
  }),
  allJoined: { en: "all joined the slide's count", fr: "toutes comptées pour la lame" },
  noneJoined: { en: "none joined the slide's count", fr: "aucune comptée pour la lame" },
  joined: phrase<[counts: string]>({
    en: (counts) => `${counts} joined the slide's count`,
    fr: (counts) => `comptées pour la lame : ${counts}`,
  }),
  joinedBefore: phrase<[joined: string, before: number]>({
    en: (joined, before) => `${joined}; ${en.plural(before, "was", "were")} counted in a field before`,
    fr: (joined, before) =>
      `${joined} ; ${fr.plural(before, "l’avait été", "l’avaient été")} dans un champ précédent`,
  }),
  seenShare: phrase<[share: string]>({
    en: (share) => `${share} of it was seen in a field before`,
    fr: (share) => `${share} déjà vu dans un champ précédent`,
  }),
  seenShareUnsure: phrase<[share: string]>({
    en: (share) =>
      `${share} of it was seen in a field before; whether there is more could not be made out for certain: cells may be counted twice`,
    fr: (share) =>
      `${share} déjà vu dans un champ précédent ; s’il y en a plus n’a pas pu être établi avec certitude : des hématies peuvent être comptées deux fois`,
  }),
  seenUnsure: {
    en: "whether it was seen in part before could not be made out for certain: cells may be counted twice",
    fr: "on n’a pas pu établir avec certitude s’il avait déjà été vu en partie : des hématies peuvent être comptées deux fois",
  },
  pixelsWide: phrase<[n: number]>({
    en: (n) => `${en.integer(n)} pixels wide`,
    fr: (n) => `${fr.plural(n, "pixel", "pixels")} de large`,
  }),
  tooFewPixels: phrase<[n: number]>({
    en: (n) =>
      `only ${en.integer(n)} pixels wide, too few for the model: use a stronger objective or a camera with more pixels`,
    fr: (n) =>
      `seulement ${fr.plural(n, "pixel", "pixels")} de large, trop peu pour le modèle : prenez un objectif plus fort ou une caméra avec plus de pixels`,
  }),
  clockNotSet: phrase<[time: string]>({
    en: (time) => `${time}; the board's clock is not set`,
    fr: (time) => `${time} ; l’horloge de la carte n’est pas à l’heure`,
  }),
  receivedLate: phrase<[ago: string, seconds: number]>({
    en: (ago, seconds) => `${ago}, ${en.integer(seconds)} s after it was taken`,
    fr: (ago, seconds) => `${ago}, ${fr.integer(seconds)} s après la prise`,
  }),
  clockAhead: phrase<[ago: string, seconds: number]>({
    en: (ago, seconds) => `${ago}; the device's clock is ${en.integer(seconds)} s ahead of this computer's`,
    fr: (ago, seconds) =>
      `${ago} ; l’horloge de l’appareil avance de ${fr.integer(seconds)} s sur celle de cet ordinateur`,
  }),
};

/** What the board's gate says of a frame. A newer board may have words that stand in no catalogue. */
export const gate = {
  verdicts: new Map<string, Phrase<string>>(Object.entries(live.verdicts)),
  reasons: new Map<string, Phrase<string>>(Object.entries(live.reasons)),
};
