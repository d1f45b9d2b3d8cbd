// mqtt.js, of which the page needs MQTT 5 over a browser's own WebSocket only. Its ready-made bundle
// for browsers has more in it than all of the page; so it is bundled here from its parts, with what
// `shims` has in place of others (see vite.config).

import type { IClientOptions, MqttClient } from "mqtt";
import * as clientModule from "mqtt/lib/client";
import { browserStreamBuilder } from "mqtt/lib/connect/ws";

type Builder = (client: MqttClient) => ReturnType<typeof browserStreamBuilder>;
type Constructor = new (builder: Builder, options: IClientOptions) => MqttClient;

// A CommonJS module as Node sees it has its default export one level down; other tools unwrap it.
const wrapped = clientModule.default as unknown as { default?: Constructor } & Constructor;
const Client: Constructor = wrapped.default ?? wrapped;

/** Throws where the browser refuses the address outright: ws:// from a page that came by https://. */
export function connect(url: string, options: IClientOptions): MqttClient {
  const whole: IClientOptions = {
    ...options,
    hostname: new URL(url).hostname,
    createWebsocket: (_, protocols) => new WebSocket(url, protocols),
  };
  return new Client((client) => browserStreamBuilder(client, whole), whole);
}
