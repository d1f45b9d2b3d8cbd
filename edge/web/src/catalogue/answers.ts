// Why a command has no result, and what is wrong with an answer that can't be used.

import type { Why } from "../ask";
import { phrase, say } from "./phrase";

export const answers = {
  replyMessage: { en: "reply", fr: "« réponse »" },
  healthMessage: { en: "health", fr: "« santé »" },
  modelMessage: { en: "model", fr: "« modèle »" },
  base64: { en: "base64", fr: "du base64" },
  png: { en: "a PNG", fr: "un PNG" },
  pngOfSize: phrase<[side: number]>({
    en: (side) => `a PNG of 1 to ${side} pixels a side`,
    fr: (side) => `un PNG de 1 à ${side} pixels de côté`,
  }),

  neverSent: {
    en: "The page has no connection to the broker, so nothing was sent.",
    fr: "La page n’est pas connectée au broker : rien n’a été envoyé.",
  },
  connectionLost: {
    en: "The connection was lost before the board answered: it is not known whether it was done.",
    fr: "La connexion a été coupée avant la réponse de l’appareil : on ne sait pas si la commande a été exécutée.",
  },
  silent: {
    en: "The board did not answer: it is not known whether it was done.",
    fr: "L’appareil n’a pas répondu : on ne sait pas si la commande a été exécutée.",
  },
  busy: {
    en: "The board gets too many commands just now, and nothing was done. Try again in some seconds.",
    fr: "L’appareil reçoit trop de commandes en ce moment et n’a rien exécuté. Réessayez dans quelques secondes.",
  },
  full: {
    en: "Too many commands wait for their answer already; this one was not sent.",
    fr: "Trop de commandes attendent déjà une réponse ; celle-ci n’a pas été envoyée.",
  },
  tooOld: {
    en: "This board's program is too old for that.",
    fr: "Le logiciel de cet appareil est trop ancien pour cela.",
  },
  forbidden: phrase<[why: string]>({
    en: (why) => `The broker does not take commands from this page: ${why}.`,
    fr: (why) => `Le broker n’accepte pas de commandes de cette page : ${why}.`,
  }),
  refused: phrase<[error: string]>({
    en: (error) => `The board says: ${error}.`,
    fr: (error) => `L’appareil répond : ${error}.`,
  }),
  unreadable: phrase<[reason: string]>({
    en: (reason) => `The board's answer can't be read: ${reason}`,
    fr: (reason) => `La réponse de l’appareil est illisible : ${reason}`,
  }),
};

/** One sentence on why there is no result. */
export function whyWords(why: Why): string {
  switch (why.is) {
    case "disconnected":
      return say(why.wasSent ? answers.connectionLost : answers.neverSent);
    case "silent":
      return say(answers.silent);
    case "busy":
      return say(answers.busy);
    case "full":
      return say(answers.full);
    case "too_old":
      return say(answers.tooOld);
    case "forbidden":
      return say(answers.forbidden, why.why);
    case "refused":
      return say(answers.refused, why.error);
    case "unreadable":
      return say(answers.unreadable, why.reason);
  }
}
