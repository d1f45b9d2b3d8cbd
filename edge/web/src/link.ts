// The connection to the broker: MQTT 5 over WebSocket, kept up until the page is left.

import mqtt, { type IClientOptions } from "mqtt";

import { MAX_IMAGE_BYTES, type Parsed } from "./messages";
import { showable } from "./config";
import type { LinkState } from "./words";

export interface Listener {
  onLink(state: LinkState): void;
  onMessage(topic: string, payload: Uint8Array, userProperties: Record<string, unknown>): void;
}

/** Room for topic and properties beside the largest picture. */
const MAX_PACKET_BYTES = MAX_IMAGE_BYTES + 64 * 1024;

function options(): IClientOptions {
  // Not crypto.randomUUID: browsers withhold it from a page that a board serves without TLS.
  const random = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0"));
  return {
    protocolVersion: 5,
    clientId: `smearscope-page-${random.join("")}`,
    clean: true,
    keepalive: 20,
    reconnectPeriod: 2000,
    connectTimeout: 8000,
    // A broker that is busy or just starting refuses too; the page must come back by itself.
    reconnectOnConnackError: true,
    // The listener subscribes at each connect itself, where it also sees a refusal.
    resubscribe: false,
    // The library's own timers need a worker made from text, which the page's policy forbids.
    timerVariant: "native",
    properties: { maximumPacketSize: MAX_PACKET_BYTES },
  };
}

/** Connects, subscribes to `topics` and reports to `listener` from then on. */
export function openLink(url: string, topics: readonly string[], listener: Listener): Parsed<null> {
  const to = showable(url);
  let client;
  try {
    client = mqtt.connect(url, options());
  } catch (error) {
    // The browser refuses some addresses outright: ws:// from a page that came by https://.
    return { ok: false, reason: `The browser does not let this page connect to ${to}: ${String(error)}` };
  }
  // Set when the broker has said no; the close that follows must not hide the reason.
  let refusal: string | null = null;
  listener.onLink({ is: "connecting", to });

  client.on("connect", () => {
    refusal = null;
    // Before the subscription: retained messages may overtake its acknowledgement.
    listener.onLink({ is: "connected", to });
    client.subscribe([...topics], { qos: 1 }, (error, granted) => {
      const denied = (granted ?? []).filter((g) => g.qos >= 128).map((g) => g.topic);
      if (denied.length > 0) {
        listener.onLink({ is: "refused", to, why: `it may not read ${denied.join(", ")}` });
      } else if (error && client.connected) {
        listener.onLink({ is: "refused", to, why: error.message });
      }
    });
  });
  client.on("error", (error) => {
    if ("code" in error && typeof error.code === "number") {
      refusal = error.message.replace(/^Connection refused: /, "");
      listener.onLink({ is: "refused", to, why: refusal });
    }
  });
  client.on("reconnect", () => {
    refusal = null;
  });
  client.on("close", () => {
    if (refusal === null) {
      listener.onLink({ is: "lost", to });
    }
  });
  client.on("message", (topic, payload, packet) => {
    listener.onMessage(topic, payload, packet.properties?.userProperties ?? {});
  });
  return { ok: true, value: null };
}
