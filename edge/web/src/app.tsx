// The shell: who speaks, whether it is live, where to go; and the view that the address names.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { common } from "./catalogue/common";
import { say } from "./catalogue/phrase";
import { showable } from "./config";
import { useNow, useWatched } from "./hooks";
import { preferenceChanges } from "./preferences";
import { viewOf, type ViewName } from "./router";
import { SessionContext, type Session } from "./session";
import { CredentialsForm } from "./ui/credentials-form";
import { Header } from "./ui/header";
import { Problems } from "./ui/problems";
import { DeviceView } from "./views/device";
import { FleetView } from "./views/fleet";
import { LiveView } from "./views/live";
import { ReviewView } from "./views/review";
import { SlideView } from "./views/slide";
import { deniedWords, linkAlarmWords, linkWords } from "./words";

const VIEW_OF = { live: LiveView, slide: SlideView, review: ReviewView, device: DeviceView, fleet: FleetView };

function useView(hasDevice: boolean): ViewName {
  const [view, setView] = useState(() => viewOf(location.hash, hasDevice));
  useEffect(() => {
    const follow = (): void => setView(viewOf(location.hash, hasDevice));
    addEventListener("hashchange", follow);
    return () => removeEventListener("hashchange", follow);
  }, [hasDevice]);
  return view;
}

/** What keeps the page from starting at all. */
export function Trouble({ why }: { why: string }) {
  useWatched(preferenceChanges);
  return (
    <>
      <Header view={null} device={null} link={linkWords({ is: "impossible", why })} station={null} login={false} />
      <div id="alarm" class="alarm" role="alert">
        {why}
      </div>
    </>
  );
}

export function App({ session }: { session: Session }) {
  const { config, link, station, changes } = session;
  useWatched(preferenceChanges);
  useWatched(changes, 200);
  const now = useNow();
  const view = useView(station !== null);
  const alarm =
    deniedWords(link.state, link.denied) ?? (station ? station.alarm(now) : linkAlarmWords(link.state));
  const main = useRef<HTMLElement>(null);
  const title = useRef<HTMLHeadingElement>(null);
  const seen = useRef(view);

  useEffect(() => {
    document.title = say(common.title, say(common.view[view]), config.device);
  });
  // Whoever changed the view by keyboard or by ear goes on from its heading.
  useLayoutEffect(() => {
    if (seen.current !== view) {
      seen.current = view;
      scrollTo(0, 0);
      title.current?.focus({ preventScroll: true });
    }
  }, [view]);

  const View = VIEW_OF[view];
  return (
    <SessionContext.Provider value={session}>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          // The address names the view, so it must not change.
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {say(common.skip)}
      </a>
      <Header view={view} device={config.device} link={linkWords(link.state)} station={station} login={config.login} />
      <aside class="notice" aria-label={say(common.noticeLabel)}>
        {say(common.notice)}
      </aside>
      <div id="alarm" class="alarm" role="alert" hidden={alarm === null}>
        {alarm}
      </div>
      {station && <Problems station={station} />}
      <main id="main" ref={main} tabIndex={-1} class={alarm === null ? "" : "not-live"}>
        {link.state.is === "asking" && (
          <CredentialsForm
            broker={showable(config.url ?? "")}
            wrong={link.state.wrong}
            onSubmit={(credentials) => link.logIn(credentials)}
          />
        )}
        <h1 ref={title} tabIndex={-1} class="view-title visually-hidden">
          {say(common.view[view])}
        </h1>
        <View />
      </main>
    </SessionContext.Provider>
  );
}
