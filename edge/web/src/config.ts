// Where the page finds its broker and its device: `broker.json` beside it, or the page's own URL.

import { common } from "./catalogue/common";
import { say } from "./catalogue/phrase";
import { isDeviceId, type Parsed } from "./messages/checks";

export interface Config {
  /** `null`: the board says that it has no broker that a browser can reach. */
  url: string | null;
  /** `null`: the user chooses among the devices that the broker knows. */
  device: string | null;
  /** Whether the page's own server has the reports of closed slides, as `slides/<id>.html`. */
  reports: boolean;
  /** Whether one has signed in to the page's own server. */
  login: boolean;
}

export interface Overrides {
  broker: string | null;
  device: string | null;
}

export function overridesOf(search: string): Overrides {
  const query = new URLSearchParams(search);
  return { broker: query.get("broker") || null, device: query.get("device") || null };
}

/** A path, such as `mqtt` beside the page or `/mqtt` on its host, is meant with TLS where the page has it. */
function absolute(url: string, page: string): string {
  // A colon has an address or what somebody took for one; neither is a path.
  if (url.includes(":") || url.startsWith("//")) {
    return url;
  }
  const { protocol, host, pathname } = new URL(url, page);
  return `${protocol === "https:" ? "wss:" : "ws:"}//${host}${pathname}`;
}

function checked(url: string | null, device: string | null, server: Pick<Config, "reports" | "login">): Parsed<Config> {
  if (url !== null) {
    let scheme = "";
    try {
      scheme = new URL(url).protocol;
    } catch {
      // The sentence below says it.
    }
    if (scheme !== "ws:" && scheme !== "wss:") {
      return { ok: false, reason: say(common.brokerNotWebSocket, url) };
    }
  }
  if (device !== null && !isDeviceId(device)) {
    return { ok: false, reason: say(common.deviceName, device) };
  }
  return { ok: true, value: { url, device, ...server } };
}

/**
 * `loadFile` is asked for the parsed `broker.json` only where the URL names no broker, so that the
 * page works on a web server that has no such file. A broker named in the URL doesn't take over
 * the file's device: that device lives on another broker. `page`: the page's own address.
 */
export async function readConfig(
  overrides: Overrides,
  page: string,
  loadFile: () => Promise<unknown>,
): Promise<Parsed<Config>> {
  if (overrides.broker !== null) {
    return checked(overrides.broker, overrides.device, { reports: false, login: false });
  }
  let file: unknown;
  try {
    file = await loadFile();
  } catch {
    return { ok: false, reason: say(common.noBrokerFile) };
  }
  const { url, device, reports, login } = (typeof file === "object" && file !== null ? file : {}) as Record<string, unknown>;
  if ((typeof url !== "string" && url !== null) || (typeof device !== "string" && device != null)) {
    return { ok: false, reason: say(common.badBrokerFile) };
  }
  const named = overrides.device ?? device ?? null;
  // The server's reports are those of its own board, whatever the broker knows besides.
  return checked(url === null ? null : absolute(url, page), named, {
    reports: reports === true && named === device,
    login: login === true,
  });
}

/** The broker's address as it may be shown: without a user name, a password or a query. */
export function showable(url: string): string {
  const u = new URL(url);
  return `${u.protocol}//${u.host}${u.pathname === "/" ? "" : u.pathname}`;
}
