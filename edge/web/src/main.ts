// Wires the page: configuration → connection → what is known → what is seen.

import { openLink } from "./link";
import { overridesOf, readConfig, showable } from "./config";
import type { Picture } from "./messages";
import { Pairing } from "./pairing";
import { Station, topicsFor } from "./station";
import { Page, type Decoded } from "./view";

/** Ages grow and a waiting picture's patience ends without a message. */
const TICK_MS = 500;

async function loadFile(): Promise<unknown> {
  const answer = await fetch("broker.json", { cache: "no-store" });
  if (!answer.ok) {
    throw new Error(`broker.json: ${answer.status}`);
  }
  return answer.json();
}

/**
 * Decodes one picture at a time; of those that come meanwhile the newest wins, since a page that
 * falls behind must show now and not then.
 */
function decoder(done: (picture: Decoded) => void, failed: () => void): (picture: Picture) => void {
  let busy = false;
  let next: Picture | null = null;
  const run = async (): Promise<void> => {
    busy = true;
    while (next) {
      const { fieldId, bytes } = next;
      next = null;
      try {
        const blob = new Blob([bytes as Uint8Array<ArrayBuffer>], { type: "image/jpeg" });
        done({ fieldId, bitmap: await createImageBitmap(blob) });
      } catch {
        failed();
      }
    }
    busy = false;
  };
  return (picture) => {
    next = picture;
    if (!busy) {
      void run();
    }
  };
}

async function start(): Promise<void> {
  const config = await readConfig(overridesOf(location.search), loadFile);
  if (!config.ok) {
    Page.refuse(config.reason);
    return;
  }
  const { url, device } = config.value;
  if (url === null) {
    Page.refuse(
      "This board names no broker that a browser can reach. Name one in the page's address: ?broker=ws://host:port",
    );
    return;
  }

  const station = new Station(device);
  const page = new Page(showable(url), device);
  const pairing = new Pairing<Decoded>((picture) => picture.bitmap.close());

  let drawing = false;
  const refresh = (): void => {
    if (!drawing) {
      drawing = true;
      requestAnimationFrame(() => {
        drawing = false;
        const now = performance.now();
        page.render(station, pairing.view(now), now);
      });
    }
  };
  const decode = decoder(
    (picture) => {
      pairing.addPicture(picture, performance.now());
      refresh();
    },
    () => {
      station.report(`smearscope/${device}/image/field`, "A picture was ignored: the browser can't decode it.");
      refresh();
    },
  );

  const topics = topicsFor(device);
  const link = openLink(url, topics, {
    onLink: (state) => {
      station.setLink(state, performance.now());
      refresh();
    },
    onMessage: (topic, payload, userProperties) => {
      const { field, picture } = station.take(topic, payload, userProperties, performance.now());
      if (field) {
        pairing.addField(field);
      }
      if (picture) {
        decode(picture);
      }
      refresh();
    },
  });
  if (!link.ok) {
    Page.refuse(link.reason);
    return;
  }
  setInterval(refresh, TICK_MS);
}

void start();
