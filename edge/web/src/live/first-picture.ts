// A page that joins between two fields would show nothing until the next one: it asks for the last.

import { useEffect, useRef } from "preact/hooks";

import type { Session } from "../session";

/** A board that takes fields sends one within this time by itself. */
const PATIENCE_MS = 1500;

/** Once a visit of the view; where the answer is no, the next field brings a picture. */
export function useFirstPicture({ station, link, pictures, asker }: Session, now: number): void {
  const joined = useRef(now);
  const hasAsked = useRef(false);
  const isLacking = pictures.view(now).picture === null;
  const canAsk = link.isConnected && station?.status?.state === "online";
  const isDue = canAsk && isLacking && now - joined.current >= PATIENCE_MS;
  useEffect(() => {
    if (isDue && !hasAsked.current && asker) {
      hasAsked.current = true;
      // The picture itself comes by its own topic.
      void asker.ask("image.get", {}, () => ({ ok: true, value: null }));
    }
  }, [isDue]);
}
