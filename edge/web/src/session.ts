// What lives as long as the page: the connection and what is known of the device that the page is
// about. Views get it by `useSession` and follow it by `useWatched`.

import { createContext } from "preact";
import { useContext } from "preact/hooks";

import { Asker } from "./ask";
import type { Config } from "./config";
import { Link, type LinkState } from "./link";
import { Pictures } from "./pictures";
import { leaveIfSignedOut } from "./sign";
import { Station, topicsOf } from "./station";
import { Watched } from "./watched";

export interface Session {
  readonly config: Config;
  readonly link: Link;
  /** `null`: no device is named, and the fleet is all there is to see. */
  readonly station: Station | null;
  /** The pictures of its fields. */
  readonly pictures: Pictures;
  /** Commands to that device. */
  readonly asker: Asker | null;
  /** Fires when `station`, `pictures` or the link changed. */
  readonly changes: Watched;
}

export function openSession(config: Config, url: string): Session {
  const link = new Link(url, sessionStorage);
  const changes = new Watched();
  const station = config.device === null ? null : new Station(config.device);
  const asker = config.device === null ? null : new Asker(config.device, (...command) => link.publish(...command));
  const pictures = new Pictures(
    () => changes.changed(),
    (reason) => {
      station?.report(`smearscope/${station.device}/image/field`, reason);
      changes.changed();
    },
  );

  let seen: LinkState | null = null;
  link.changes.watch(() => {
    // The link also tells of what it may not read; each state is a connection anew only once.
    if (link.state !== seen) {
      seen = link.state;
      station?.setLink(seen, performance.now());
      asker?.setConnected(link.isConnected);
      if (config.login && seen.is === "lost") {
        void leaveIfSignedOut();
      }
    }
    changes.changed();
  });
  if (station) {
    link.subscribe(topicsOf(station.device), ({ topic, payload, userProperties }) => {
      const { field, picture } = station.take(topic, payload, userProperties, performance.now());
      if (field) {
        pictures.addField(field);
      }
      if (picture) {
        pictures.add(picture);
      }
      changes.changed();
    });
  }
  if (asker) {
    link.subscribe([asker.replyTopic], ({ topic, payload, correlationData }) => {
      asker.take(topic, payload, correlationData);
    });
  }
  link.open();
  // A network that is back need not be waited for.
  addEventListener("online", () => link.hurry());
  return { config, link, station, pictures, asker, changes };
}

export const SessionContext = createContext<Session | null>(null);

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) {
    throw new Error("a view is drawn outside of the session");
  }
  return session;
}
