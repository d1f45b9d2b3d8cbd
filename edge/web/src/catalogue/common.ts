// What all views share: the shell, the connection, the device, ages.

import { phrase, type Phrase } from "./phrase";

export const common = {
  // The shell.
  notice: {
    en: "Decision support for research, not a diagnostic device. Thin smears only; no species.",
    fr: "Aide à la décision pour la recherche, ce n’est pas un dispositif de diagnostic. Frottis minces seulement ; sans identification d’espèce.",
  },
  noticeLabel: { en: "Limits of use", fr: "Limites d’emploi" },
  skip: { en: "Skip to the content", fr: "Aller au contenu" },
  views: { en: "Views", fr: "Vues" },
  view: {
    live: { en: "Live", fr: "Direct" },
    slide: { en: "Slide", fr: "Lame" },
    review: { en: "Review", fr: "Relecture" },
    device: { en: "Device", fr: "Appareil" },
    fleet: { en: "Fleet", fr: "Parc" },
  },
  title: phrase<[view: string, device: string | null]>({
    en: (view, device) => (device === null ? `${view} · Smearscope` : `${view} · ${device} · Smearscope`),
    fr: (view, device) => (device === null ? `${view} · Smearscope` : `${view} · ${device} · Smearscope`),
  }),
  otherLanguage: { en: "Français", fr: "English" },
  darkColours: { en: "Dark", fr: "Sombre" },
  lightColours: { en: "Light", fr: "Clair" },
  signOut: { en: "Sign out", fr: "Se déconnecter" },
  noDevice: { en: "No device chosen", fr: "Aucun appareil choisi" },
  chooseDevice: { en: "Choose a device in the fleet", fr: "Choisir un appareil dans le parc" },

  // The connection.
  starting: { en: "Starting", fr: "Démarrage" },
  connecting: { en: "Connecting to the broker", fr: "Connexion au broker" },
  connected: { en: "Connected to the broker", fr: "Connecté au broker" },
  lost: { en: "No connection to the broker", fr: "Pas de connexion au broker" },
  refused: { en: "Refused by the broker", fr: "Refusé par le broker" },
  asking: { en: "Password needed", fr: "Mot de passe requis" },
  notConnected: { en: "Not connected", fr: "Non connecté" },
  browserForbids: phrase<[broker: string, why: string]>({
    en: (broker, why) => `The browser does not let this page connect to ${broker}: ${why}`,
    fr: (broker, why) => `Le navigateur ne permet pas à cette page de se connecter à ${broker} : ${why}`,
  }),
  mayNotRead: phrase<[topics: string]>({
    en: (topics) => `it may not read ${topics}`,
    fr: (topics) => `elle n’a pas le droit de lire ${topics}`,
  }),
  /** By MQTT 5 reason code. */
  refusals: {
    0x85: { en: "it finds the client's name not valid", fr: "il juge le nom du client non valide" },
    0x88: { en: "it is not available", fr: "il n’est pas disponible" },
    0x89: { en: "it is busy", fr: "il est surchargé" },
    0x8a: { en: "it has banned this page", fr: "il a banni cette page" },
    0x95: { en: "a packet was too large", fr: "un paquet était trop grand" },
    0x97: { en: "a quota is used up", fr: "un quota est épuisé" },
    0x9f: { en: "too many connections in a short time", fr: "trop de connexions en peu de temps" },
  } as Readonly<Record<number, Phrase<string>>>,

  // The form that asks for a name and a password.
  credentialsTitle: phrase<[broker: string]>({
    en: (broker) => `The broker ${broker} asks who you are`,
    fr: (broker) => `Le broker ${broker} demande qui vous êtes`,
  }),
  credentialsWrong: {
    en: "This name and password were not accepted.",
    fr: "Ce nom et ce mot de passe n’ont pas été acceptés.",
  },
  credentialsKept: {
    en: "They are kept until this tab is closed, for this broker only.",
    fr: "Ils sont gardés jusqu’à la fermeture de cet onglet, pour ce broker seulement.",
  },
  credentialsPlain: {
    en: "This connection is not encrypted: others in the network can read the password.",
    fr: "Cette connexion n’est pas chiffrée : d’autres sur le réseau peuvent lire le mot de passe.",
  },
  username: { en: "User name", fr: "Nom d’utilisateur" },
  password: { en: "Password", fr: "Mot de passe" },
  connect: { en: "Connect", fr: "Se connecter" },

  // The device.
  deviceOnline: { en: "Device online", fr: "Appareil en ligne" },
  deviceOffline: { en: "Device offline", fr: "Appareil hors ligne" },
  deviceStopped: { en: "Device stopped", fr: "Appareil arrêté" },
  deviceUnknown: { en: "Device unknown to this broker", fr: "Appareil inconnu de ce broker" },
  deviceAwaited: { en: "Waiting for the device", fr: "En attente de l’appareil" },

  // What must be known before any figure is read.
  alarmLost: phrase<[broker: string]>({
    en: (broker) =>
      `The page has no connection to the broker (${broker}). What you see is not live. The page keeps trying.`,
    fr: (broker) =>
      `La page n’a pas de connexion au broker (${broker}). Ce que vous voyez n’est pas en direct. La page continue d’essayer.`,
  }),
  alarmRefused: phrase<[broker: string, why: string]>({
    en: (broker, why) => `The broker (${broker}) refuses this page: ${why}. What you see is not live.`,
    fr: (broker, why) => `Le broker (${broker}) refuse cette page : ${why}. Ce que vous voyez n’est pas en direct.`,
  }),
  alarmAsking: phrase<[broker: string]>({
    en: (broker) => `The broker (${broker}) wants a name and a password. What you see is not live.`,
    fr: (broker) => `Le broker (${broker}) veut un nom et un mot de passe. Ce que vous voyez n’est pas en direct.`,
  }),
  alarmOffline: {
    en: "The device is offline: the broker lost it without a goodbye. What you see is not live.",
    fr: "L’appareil est hors ligne : le broker l’a perdu sans préavis. Ce que vous voyez n’est pas en direct.",
  },
  alarmStopped: {
    en: "The device was stopped in order. What you see is its last word, not live.",
    fr: "L’appareil a été arrêté normalement. Vous voyez ses dernières données, pas le direct.",
  },
  alarmUnknown: {
    en: "This broker knows no device of this name. Nothing here is live.",
    fr: "Ce broker ne connaît aucun appareil de ce nom. Rien ici n’est en direct.",
  },
  alarmCamera: phrase<[why: string]>({
    en: (why) => `Camera lost. ${why} The field that you see is the last one, not live.`,
    fr: (why) => `Caméra perdue. ${why} Le champ que vous voyez est le dernier, pas le direct.`,
  }),

  // What is old.
  stale: phrase<[why: string]>({ en: (why) => `Stale: ${why}`, fr: (why) => `Périmé : ${why}` }),
  staleNotLive: { en: "not live", fr: "pas en direct" },
  staleConnection: { en: "from before the connection was lost", fr: "d’avant la perte de connexion" },
  staleRestart: { en: "from before the device restarted", fr: "d’avant le redémarrage de l’appareil" },

  // Ages.
  justNow: { en: "just now", fr: "à l’instant" },
  secondsAgo: phrase<[n: number]>({ en: (n) => `${n} s ago`, fr: (n) => `il y a ${n} s` }),
  minutesAgo: phrase<[n: number]>({ en: (n) => `${n} min ago`, fr: (n) => `il y a ${n} min` }),
  hoursAgo: phrase<[n: number]>({ en: (n) => `${n} h ago`, fr: (n) => `il y a ${n} h` }),

  // Configuration.
  brokerNotWebSocket: phrase<[url: string]>({
    en: (url) => `The broker address "${url}" does not begin with ws:// or wss://.`,
    fr: (url) => `L’adresse du broker « ${url} » ne commence ni par ws:// ni par wss://.`,
  }),
  deviceName: phrase<[name: string]>({
    en: (name) => `The device name "${name}" is not 1 to 64 letters, digits, underscores or hyphens.`,
    fr: (name) =>
      `Le nom d’appareil « ${name} » n’est pas composé de 1 à 64 lettres, chiffres, tirets bas ou traits d’union.`,
  }),
  noBrokerFile: {
    en: "The page found no readable broker.json beside it. Name a broker in the page's address: ?broker=ws://host:port",
    fr: "La page n’a pas trouvé de broker.json lisible à côté d’elle. Indiquez un broker dans l’adresse de la page : ?broker=ws://hôte:port",
  },
  badBrokerFile: {
    en: 'broker.json is not of the form {"url": text or null, "device": text}.',
    fr: "broker.json n’a pas la forme {\"url\": texte ou null, \"device\": texte}.",
  },
  noBroker: {
    en: "This board names no broker that a browser can reach. Name one in the page's address: ?broker=ws://host:port",
    fr: "Cette carte n’indique aucun broker qu’un navigateur puisse atteindre. Indiquez-en un dans l’adresse de la page : ?broker=ws://hôte:port",
  },

  // The cell's label.
  parasitized: { en: "parasitized", fr: "parasitée" },
  uninfected: { en: "uninfected", fr: "non parasitée" },
  unknown: { en: "not known", fr: "inconnu" },
};
