// What is wrong with a message that can't be used.

import { phrase } from "./phrase";

export const wire = {
  fieldMessage: { en: "field", fr: "« champ »" },
  slideMessage: { en: "slide", fr: "« lame »" },
  statusMessage: { en: "status", fr: "« état »" },
  liveMessage: { en: "live", fr: "« direct »" },

  ignored: phrase<[what: string, why: string]>({
    en: (what, why) => `A ${what} message was ignored: ${why}.`,
    fr: (what, why) => `Un message ${what} a été ignoré : ${why}.`,
  }),
  pictureIgnored: phrase<[why: string]>({
    en: (why) => `A picture was ignored: ${why}.`,
    fr: (why) => `Une image a été ignorée : ${why}.`,
  }),
  ignoredSoFar: phrase<[n: number]>({
    en: (n) => `(${n} ${n === 1 ? "message" : "messages"} ignored so far.)`,
    fr: (n) => `(${n} ${n < 2 ? "message ignoré" : "messages ignorés"} jusqu’ici.)`,
  }),
  undecodable: { en: "the browser can't decode it", fr: "le navigateur ne peut pas la décoder" },

  isNot: phrase<[path: string, wanted: string]>({
    en: (path, wanted) => `"${path}" is not ${wanted}`,
    fr: (path, wanted) => `« ${path} » n’est pas ${wanted}`,
  }),
  theMessage: { en: "the message", fr: "le message" },
  anObject: { en: "an object", fr: "un objet" },
  aList: { en: "a list", fr: "une liste" },
  aListOfAtMost: phrase<[n: number]>({
    en: (n) => `a list of at most ${n} entries`,
    fr: (n) => `une liste de ${n} éléments au plus`,
  }),
  aNumber: { en: "a number", fr: "un nombre" },
  aNumberWithin: phrase<[low: number, high: number]>({
    en: (low, high) => (high === Infinity ? `a number from ${low}` : `a number from ${low} to ${high}`),
    fr: (low, high) => (high === Infinity ? `un nombre d’au moins ${low}` : `un nombre de ${low} à ${high}`),
  }),
  aCount: { en: "a whole number that a count can have", fr: "un entier qui puisse être un compte" },
  aText: phrase<[n: number]>({
    en: (n) => `a text of at most ${n} characters`,
    fr: (n) => `un texte de ${n} caractères au plus`,
  }),
  aBoolean: { en: "true or false", fr: "vrai ou faux" },
  oneOf: phrase<[allowed: string]>({
    en: (allowed) => `one of ${allowed}`,
    fr: (allowed) => `l’une de ces valeurs : ${allowed}`,
  }),
  aUuid: { en: "a UUID", fr: "un UUID" },
  aSlideId: {
    en: "1 to 64 letters, digits, underscores, dots or hyphens",
    fr: "composé de 1 à 64 lettres, chiffres, tirets bas, points ou traits d’union",
  },
  aTime: { en: "a time", fr: "une date" },
  aBox: { en: "a box of four numbers", fr: "un cadre de quatre nombres" },
  atMostTheCells: { en: "at most the number of cells", fr: "inférieur ou égal au nombre d’hématies" },
  tooManyBytes: phrase<[found: number, most: number]>({
    en: (found, most) => `it has ${found} bytes, more than ${most}`,
    fr: (found, most) => `${found} octets, plus que les ${most} permis`,
  }),
  notJson: { en: "it is not JSON", fr: "ce n’est pas du JSON" },
  otherSchema: phrase<[found: string, read: string]>({
    en: (found, read) => `its schema is "${found}", and this page reads "${read}"`,
    fr: (found, read) => `son schéma est « ${found} », et cette page lit « ${read} »`,
  }),
  asTheTopic: phrase<[device: string]>({
    en: (device) => `"${device}", as its topic says`,
    fr: (device) => `« ${device} », comme le dit son sujet MQTT`,
  }),
  noFieldId: {
    en: 'its user property "field_id" is not a UUID, so it belongs to no field',
    fr: "sa propriété « field_id » n’est pas un UUID, elle n’appartient donc à aucun champ",
  },
  notJpeg: { en: "it is not a JPEG", fr: "ce n’est pas un JPEG" },
};
