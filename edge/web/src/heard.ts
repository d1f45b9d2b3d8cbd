// Boards heard for as long as a view is there: all of a broker's, or one.

import { useEffect, useMemo } from "preact/hooks";

import { Fleet } from "./fleet";
import { useWatched } from "./hooks";
import { useSession } from "./session";
import { Watched } from "./watched";

/** What is heard on `topics`, drawn anew at most every `pause` milliseconds; `since` when they were subscribed to. */
export function useHeard(topics: readonly string[], pause: number): { fleet: Fleet; since: number } {
  const { link } = useSession();
  // A view names its topics anew each time that it is drawn.
  const names = topics.join(" ");
  const { fleet, changes, since } = useMemo(
    () => ({ fleet: new Fleet(), changes: new Watched(), since: performance.now() }),
    [names],
  );
  useWatched(changes, pause);
  useEffect(() => {
    const follow = (): void => {
      fleet.setConnected(link.isConnected, performance.now());
      changes.changed();
    };
    follow();
    const stopFollowing = link.changes.watch(follow);
    const stopHearing = link.subscribe(names.split(" "), ({ topic, payload, retained }) => {
      if (fleet.take(topic, payload, retained, performance.now())) {
        changes.changed();
      }
    });
    return () => {
      stopFollowing();
      stopHearing();
    };
  }, [link, fleet, changes, names]);
  return { fleet, since };
}
