// One board: all that it tells of itself, and what it can be told to do.

import type { Words } from "./board";
import { en, fr } from "./format";
import { phrase } from "./phrase";

export const device = {
  waiting: {
    en: "The board has not told of itself yet; it does each 30 seconds.",
    fr: "L’appareil n’a pas encore donné son bilan ; il le fait toutes les 30 secondes.",
  },
  asOf: phrase<[seen: string]>({ en: (seen) => `Report of ${seen}`, fr: (seen) => `Bilan : ${seen}` }),
  earlierStart: {
    en: "from before the device restarted",
    fr: "d’avant le redémarrage de l’appareil",
  },

  // The board.
  board: { en: "Board", fr: "Appareil" },
  name: { en: "Name", fr: "Nom" },
  state: { en: "State", fr: "État" },
  heard: { en: "Heard", fr: "Entendu" },
  version: { en: "Program", fr: "Logiciel" },
  uptime: { en: "Running for", fr: "En marche depuis" },
  boot: { en: "This start", fr: "Ce démarrage" },
  broker: { en: "Broker", fr: "Broker" },
  alarms: { en: "Alarms", fr: "Alarmes" },
  noAlarms: { en: "No alarm.", fr: "Aucune alarme." },
  alarmWhy: phrase<[alarm: string, why: string]>({
    en: (alarm, why) => `${alarm}: ${why}`,
    fr: (alarm, why) => `${alarm} : ${why}`,
  }),

  // Commands.
  commands: { en: "Commands", fr: "Commandes" },
  ping: { en: "Ping", fr: "Ping" },
  pause: { en: "Pause the camera", fr: "Mettre la caméra en pause" },
  resume: { en: "Resume the camera", fr: "Reprendre la caméra" },
  once: { en: "Take one field", fr: "Prendre un champ" },
  asking: { en: "Waiting for the answer.", fr: "En attente de la réponse." },
  pong: phrase<[milliseconds: number, uptime: string]>({
    en: (milliseconds, uptime) => `Answered after ${en.integer(milliseconds)} ms; running for ${uptime}.`,
    fr: (milliseconds, uptime) => `Réponse après ${fr.integer(milliseconds)} ms ; en marche depuis ${uptime}.`,
  }),
  pongClock: phrase<[pong: string, seconds: number]>({
    en: (pong, seconds) =>
      `${pong} Its clock is ${en.plural(Math.abs(seconds), "second", "seconds")} ${seconds > 0 ? "ahead of" : "behind"} this computer's.`,
    fr: (pong, seconds) =>
      `${pong} Son horloge ${seconds > 0 ? "avance" : "retarde"} de ${fr.plural(Math.abs(seconds), "seconde", "secondes")} sur celle de cet ordinateur.`,
  }),
  paused: { en: "Paused: it takes no more fields.", fr: "En pause : il ne prend plus de champs." },
  resumed: { en: "It takes fields again.", fr: "Il prend de nouveau des champs." },
  taken: { en: "It takes one field.", fr: "Il prend un champ." },

  // The camera and the fields.
  camera: { en: "Camera", fr: "Caméra" },
  source: { en: "Source", fr: "Source" },
  format: { en: "Format", fr: "Format" },
  trouble: { en: "Trouble", fr: "Problème" },
  rate: { en: "Fields", fr: "Champs" },
  perMinute: phrase<[n: number]>({
    en: (n) => `${en.decimal(n, 1)} per minute`,
    fr: (n) => `${fr.decimal(n, 1)} par minute`,
  }),
  frames: { en: "Frames", fr: "Images" },
  lostFrames: { en: "Lost", fr: "Perdues" },
  faultyFrames: { en: "Faulty", fr: "Défectueuses" },
  reopened: { en: "Reopened", fr: "Rouverte" },
  times: phrase<[n: number]>({
    en: (n) => en.plural(n, "time", "times"),
    fr: (n) => `${fr.integer(n)} fois`,
  }),
  fields: { en: "Fields", fr: "Champs" },
  analysed: { en: "Analysed", fr: "Analysés" },
  repeats: { en: "Cells not counted again", fr: "Hématies non recomptées" },
  uncertain: { en: "Overlap uncertain", fr: "Recouvrement incertain" },
  focus: { en: "Focus of the last", fr: "Netteté du dernier" },
  gated: { en: "Frames by verdict", fr: "Images par verdict" },
  notGated: {
    en: "This board does not tell what became of its frames.",
    fr: "Cet appareil ne dit pas ce que sont devenues ses images.",
  },

  // Results.
  results: { en: "Results", fr: "Résultats" },
  storedOn: { en: "Kept", fr: "Conservés" },
  stores: {
    disk: { en: "on the disk", fr: "sur le disque" },
    memory: { en: "in memory only", fr: "en mémoire seulement" },
  } as Words,
  pending: { en: "Waiting for the broker", fr: "En attente du broker" },
  pendingSize: phrase<[results: number, bytes: string]>({
    en: (results, bytes) => `${en.plural(results, "result", "results")}, ${bytes}`,
    fr: (results, bytes) => `${fr.plural(results, "résultat", "résultats")}, ${bytes}`,
  }),
  resendable: { en: "Can be sent again", fr: "Peuvent être renvoyés" },
  lastSeq: { en: "Last number", fr: "Dernier numéro" },
  setAside: { en: "Set aside", fr: "Mis de côté" },
  drops: { en: "Dropped", fr: "Perdus" },
  none: { en: "none", fr: "aucun" },

  // The connection.
  connection: { en: "Connection", fr: "Connexion" },
  connections: { en: "Connections", fr: "Connexions" },
  acknowledged: { en: "Acknowledged", fr: "Acquittés" },
  refused: { en: "Refused", fr: "Refusés" },
  lastRefusal: { en: "Last refusal", fr: "Dernier refus" },
  lastLoss: { en: "Last loss", fr: "Dernière coupure" },
  incident: phrase<[time: string, reason: string]>({
    en: (time, reason) => `${time}: ${reason}`,
    fr: (time, reason) => `${time} : ${reason}`,
  }),
  never: { en: "never", fr: "jamais" },

  // The machine.
  machine: { en: "Machine", fr: "Machine" },
  temperature: { en: "Temperature", fr: "Température" },
  throttling: { en: "Throttling", fr: "Ralentissement" },
  notThrottled: { en: "none", fr: "aucun" },
  memory: { en: "Memory", fr: "Mémoire" },
  diskFree: { en: "Disk free", fr: "Disque libre" },
  written: { en: "Written to disk", fr: "Écrit sur le disque" },
  kept: { en: "Cells for review", fr: "Hématies à relire" },
  keptOf: phrase<[kept: number, reviewed: number]>({
    en: (kept, reviewed) => `${en.integer(kept)} kept, ${en.integer(reviewed)} reviewed`,
    fr: (kept, reviewed) => `${fr.plural(kept, "gardée", "gardées")}, ${fr.plural(reviewed, "relue", "relues")}`,
  }),
  keptRoom: { en: "Their room", fr: "Leur place" },
  roomOf: phrase<[used: string, most: string]>({
    en: (used, most) => `${used} of ${most}`,
    fr: (used, most) => `${used} sur ${most}`,
  }),
  notKept: { en: "none: the program is too old, or keeps none", fr: "aucune : logiciel trop ancien, ou réglé ainsi" },

  // The model.
  model: { en: "Model", fr: "Modèle" },
  deciding: { en: "At work", fr: "En service" },
  hash: { en: "SHA-256", fr: "SHA-256" },
  origin: { en: "Origin", fr: "Origine" },
  origins: {
    program: { en: "inside the program", fr: "dans le logiciel" },
    file: { en: "from a file of the config, which stays", fr: "d’un fichier de la configuration, qui reste" },
    installed: { en: "installed: signed and checked", fr: "installé : signé et vérifié" },
  } as Words,
  previous: { en: "Before it", fr: "Avant lui" },
  signedAt: { en: "Newest signature", fr: "Dernière signature" },
  desired: { en: "Desired", fr: "Souhaité" },
  desiredSince: phrase<[state: string, hash: string, since: string]>({
    en: (state, hash, since) => `${hash}: ${state}, since ${since}`,
    fr: (state, hash, since) => `${hash} : ${state}, depuis ${since}`,
  }),
  reason: { en: "Reason", fr: "Raison" },
  watch: { en: "Watch", fr: "Surveillance" },
  shares: phrase<[now: string, before: string]>({
    en: (now, before) => `calls ${now} parasitized, the model before it ${before}`,
    fr: (now, before) => `en juge ${now} parasitées, le modèle d’avant ${before}`,
  }),
  noModel: { en: "The board has not told of its models.", fr: "L’appareil n’a rien dit de ses modèles." },
  rollBack: phrase<[model: string]>({
    en: (model) => `Go back to ${model}`,
    fr: (model) => `Revenir à ${model}`,
  }),
  rollBackTitle: { en: "Take the model back?", fr: "Retirer le modèle ?" },
  rollBackText: phrase<[current: string, previous: string]>({
    en: (current, previous) =>
      `From the next field on, ${previous} decides instead of ${current}. ${current} is not taken again without a new signature.`,
    fr: (current, previous) =>
      `Dès le prochain champ, ${previous} décide au lieu de ${current}. ${current} ne sera pas repris sans nouvelle signature.`,
  }),
  rolledBack: phrase<[model: string]>({
    en: (model) => `${model} decides from the next field on.`,
    fr: (model) => `${model} décide dès le prochain champ.`,
  }),
  cancel: { en: "Cancel", fr: "Annuler" },
  showModels: { en: "Models and history", fr: "Modèles et historique" },
  models: { en: "On the board", fr: "Sur l’appareil" },
  uses: {
    current: { en: "at work", fr: "en service" },
    previous: { en: "a rollback goes back to it", fr: "le retour en arrière y mène" },
    kept: { en: "kept", fr: "gardé" },
  } as Words,
  history: { en: "What happened, the newest first", fr: "Ce qui s’est passé, le plus récent d’abord" },
  noHistory: { en: "Nothing has happened with models yet.", fr: "Rien ne s’est encore passé avec des modèles." },
  events: {
    taken: { en: "taken", fr: "pris" },
    stood: { en: "stood its watch", fr: "surveillance réussie" },
    refused: { en: "refused", fr: "refusé" },
    rolled_back: { en: "taken back", fr: "retiré" },
    damaged: { en: "found damaged", fr: "trouvé endommagé" },
  } as Words,
};
