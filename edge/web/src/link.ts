// The connection to the broker: MQTT 5 over WebSocket, kept up until the page is left.

import type { IClientOptions, MqttClient } from "mqtt";

import { common } from "./catalogue/common";
import { say } from "./catalogue/phrase";
import { showable } from "./config";
import { forget, keep, recall, type Credentials, type Store } from "./credentials";
import { waitBefore } from "./link-wait";
import { MAX_IMAGE_BYTES } from "./messages/picture";
import { connect } from "./mqtt";
import { fits } from "./topic";
import { Watched } from "./watched";

export type LinkState =
  | { is: "starting" }
  | { is: "connecting"; to: string }
  | { is: "connected"; to: string }
  | { is: "lost"; to: string }
  | { is: "refused"; to: string; why: string }
  /** The broker wants a name and a password; `wrong`: those given were not right. */
  | { is: "asking"; to: string; wrong: boolean }
  | { is: "impossible"; why: string };

export interface Message {
  topic: string;
  payload: Uint8Array;
  userProperties: Record<string, unknown>;
  correlationData: Uint8Array | undefined;
  /** Whether the broker had kept it: then nobody says that it is of now. */
  retained: boolean;
}

export type OnMessage = (message: Message) => void;

interface Subscription {
  filters: readonly string[];
  onMessage: OnMessage;
}

export interface Properties {
  responseTopic: string;
  correlationData: Uint8Array;
}

/** Room for topic and properties beside the largest picture. */
const MAX_PACKET_BYTES = MAX_IMAGE_BYTES + 64 * 1024;

/** MQTT 5 reason codes of a broker that wants to know who comes. */
const BAD_CREDENTIALS = 0x86;
const NOT_AUTHORISED = 0x87;

function options(credentials: Credentials | null): IClientOptions {
  // Not crypto.randomUUID: browsers withhold it from a page that a board serves without TLS.
  const random = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0"));
  return {
    protocolVersion: 5,
    clientId: `smearscope-page-${random.join("")}`,
    clean: true,
    keepalive: 20,
    // The link makes a new client for each try, since the next may have other credentials.
    reconnectPeriod: 0,
    connectTimeout: 8000,
    resubscribe: false,
    // The library's own timers need a worker made from text, which the page's policy forbids.
    timerVariant: "native",
    properties: { maximumPacketSize: MAX_PACKET_BYTES },
    ...credentials,
  };
}

export class Link {
  state: LinkState = { is: "starting" };
  readonly changes = new Watched();
  private client: MqttClient | null = null;
  private readonly subscriptions = new Set<Subscription>();
  /** What is asked for in this connection and the broker doesn't let this page read. */
  readonly denied = new Set<string>();
  private failures = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly to: string;

  constructor(
    private readonly url: string,
    private readonly store: Store,
  ) {
    this.to = showable(url);
  }

  get isConnected(): boolean {
    return this.state.is === "connected";
  }

  open(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.denied.clear();
    const credentials = recall(this.store, this.url);
    let client: MqttClient;
    try {
      client = connect(this.url, options(credentials));
    } catch (error) {
      // The browser refuses some addresses outright: ws:// from a page that came by https://.
      this.become({ is: "impossible", why: say(common.browserForbids, this.to, String(error)) });
      return;
    }
    this.client = client;
    if (this.state.is === "starting" || this.state.is === "asking") {
      this.become({ is: "connecting", to: this.to });
    }
    this.follow(client, credentials !== null);
  }

  /** Tries at once, where the next try would come only after a while. */
  hurry(): void {
    if (this.timer !== undefined && this.state.is !== "asking") {
      this.open();
    }
  }

  logIn(credentials: Credentials): void {
    keep(this.store, this.url, credentials);
    this.failures = 0;
    this.open();
  }

  /** Hears all that fits one of `filters`, in this connection and those after it. Answers how to end that. */
  subscribe(filters: readonly string[], onMessage: OnMessage): () => void {
    const subscription = { filters, onMessage };
    this.subscriptions.add(subscription);
    // Asked for again even where another part of the page hears it: what is retained comes only so.
    this.ask(filters);
    return () => {
      this.subscriptions.delete(subscription);
      const unused = filters.filter((filter) => ![...this.subscriptions].some((s) => s.filters.includes(filter)));
      if (unused.some((filter) => this.denied.delete(filter))) {
        this.changes.changed();
      }
      if (unused.length > 0 && this.client?.connected) {
        this.client.unsubscribe(unused);
      }
    };
  }

  /** Done when the broker has it; rejects with the reason where the broker refuses it. */
  publish(topic: string, payload: string, properties: Properties): Promise<void> {
    const { client } = this;
    if (!client?.connected) {
      return Promise.reject(new Error(say(common.notConnected)));
    }
    if (this.denied.has(properties.responseTopic)) {
      return Promise.reject(new Error(say(common.mayNotRead, properties.responseTopic)));
    }
    return new Promise((done, failed) => {
      // The library's type wants Node's Buffer; it takes any bytes.
      const correlationData = properties.correlationData as Buffer;
      client.publish(topic, payload, { qos: 1, properties: { ...properties, correlationData } }, (error) =>
        error ? failed(new Error(error.message.replace(/^Publish error: /, ""))) : done(),
      );
    });
  }

  private follow(client: MqttClient, hadCredentials: boolean): void {
    // Set when the broker has said no; the close that follows must not hide the reason.
    let refusal: LinkState | null = null;
    const current = (): boolean => this.client === client;

    client.on("connect", () => {
      if (current()) {
        this.failures = 0;
        // Before the subscriptions: retained messages may overtake their acknowledgement.
        this.become({ is: "connected", to: this.to });
        this.ask([...new Set([...this.subscriptions].flatMap((s) => s.filters))]);
      }
    });
    client.on("error", (error) => {
      if (!current() || !("code" in error) || typeof error.code !== "number") {
        return;
      }
      const { code } = error;
      const wantsCredentials = code === BAD_CREDENTIALS || (code === NOT_AUTHORISED && !client.connected);
      if (wantsCredentials) {
        forget(this.store, this.url);
        refusal = { is: "asking", to: this.to, wrong: hadCredentials };
      } else {
        refusal = { is: "refused", to: this.to, why: refusalWords(code, error.message) };
      }
      this.become(refusal);
    });
    client.on("close", () => {
      if (!current()) {
        return;
      }
      this.client = null;
      this.become(refusal ?? { is: "lost", to: this.to });
      // Where the broker asks for a password, the next try is the user's.
      if (refusal?.is !== "asking") {
        this.timer = setTimeout(() => this.open(), waitBefore(this.failures, Math.random()));
        this.failures += 1;
      }
    });
    client.on("message", (topic, payload, packet) => {
      if (current()) {
        const { userProperties, correlationData } = packet.properties ?? {};
        this.hand({ topic, payload, userProperties: userProperties ?? {}, correlationData, retained: packet.retain });
      }
    });
  }

  private hand(message: Message): void {
    for (const { filters, onMessage } of [...this.subscriptions]) {
      if (filters.some((filter) => fits(filter, message.topic))) {
        onMessage(message);
      }
    }
  }

  private ask(filters: readonly string[]): void {
    const { client } = this;
    if (filters.length === 0 || !client?.connected) {
      return;
    }
    client.subscribe([...filters], { qos: 1 }, (error, granted) => {
      if (this.client !== client || !client.connected) {
        return;
      }
      const no = (granted ?? []).filter((g) => g.qos >= 0x80).map((g) => g.topic);
      // An error without a word on each filter is about all of them.
      const denied = no.length > 0 || !error ? no : filters;
      denied.forEach((filter) => this.denied.add(filter));
      if (denied.length > 0) {
        this.changes.changed();
      }
    });
  }

  private become(state: LinkState): void {
    this.state = state;
    this.changes.changed();
  }
}

function refusalWords(code: number, message: string): string {
  const known = common.refusals[code];
  return known ? say(known) : message.replace(/^Connection refused: /, "");
}
