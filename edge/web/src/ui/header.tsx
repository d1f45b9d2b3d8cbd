// The head of every view: whose page this is, whether it is live, the way to the other views.

import { common } from "../catalogue/common";
import { language, say } from "../catalogue/phrase";
import { chooseLanguage, chooseTheme, theme } from "../preferences";
import { addressOf, VIEWS, type ViewName } from "../router";
import { signOut } from "../sign";
import type { Station } from "../station";
import { deviceWords, type Saying } from "../words";
import { Pill } from "./pill";

interface Props {
  /** `null`: the page could not start, and there is nowhere to go. */
  view: ViewName | null;
  device: string | null;
  link: Saying;
  station: Station | null;
  /** Whether one has signed in, and so can sign out. */
  login: boolean;
}

function Switches({ login }: Pick<Props, "login">) {
  const other = language() === "en" ? "fr" : "en";
  const isDark = theme() === "dark";
  return (
    <div class="switches">
      <button type="button" class="button small" lang={other} onClick={() => chooseLanguage(other)}>
        {say(common.otherLanguage)}
      </button>
      <button type="button" class="button small" onClick={() => chooseTheme(isDark ? "light" : "dark")}>
        {say(isDark ? common.lightColours : common.darkColours)}
      </button>
      {login && (
        <button type="button" id="sign-out" class="button small" onClick={() => void signOut()}>
          {say(common.signOut)}
        </button>
      )}
    </div>
  );
}

export function Header({ view, device, link, station, login }: Props) {
  return (
    <header class="top">
      <div class="brand">
        <svg class="mark" viewBox="0 0 32 32" aria-hidden="true">
          <circle cx="16" cy="16" r="13" class="mark-cell" />
          <circle cx="16" cy="16" r="5.5" class="mark-pallor" />
          <circle cx="22.5" cy="10.5" r="2.6" class="mark-parasite" />
        </svg>
        <div>
          <p class="brand-name">Smearscope</p>
          <p id="device-name" class="device-name">
            {device ?? say(common.noDevice)}
          </p>
        </div>
      </div>
      {view !== null && (
        <nav aria-label={say(common.views)}>
          <ul class="tabs">
            {VIEWS.filter((name) => device !== null || name === "fleet").map((name) => (
              <li key={name}>
                <a href={addressOf(name)} aria-current={name === view ? "page" : undefined}>
                  {say(common.view[name])}
                </a>
              </li>
            ))}
          </ul>
        </nav>
      )}
      <div class="states" role="status" aria-live="polite">
        <Pill id="link-state" saying={link} />
        {station?.link.is === "connected" && (
          <Pill id="device-state" saying={deviceWords(station.status, station.heard(performance.now()))} />
        )}
      </div>
      <Switches login={login} />
    </header>
  );
}
