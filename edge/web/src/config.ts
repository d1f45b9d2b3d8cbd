// Where the page finds its broker and its device: `broker.json` beside it, or the page's own URL.

import { isDeviceId, type Parsed } from "./messages";

export interface Config {
  /** `null`: the board says that it has no broker that a browser can reach. */
  url: string | null;
  /** `null`: the user chooses among the devices that the broker knows. */
  device: string | null;
}

export interface Overrides {
  broker: string | null;
  device: string | null;
}

export function overridesOf(search: string): Overrides {
  const query = new URLSearchParams(search);
  return { broker: query.get("broker") || null, device: query.get("device") || null };
}

function checked(url: string | null, device: string | null): Parsed<Config> {
  if (url !== null) {
    let scheme = "";
    try {
      scheme = new URL(url).protocol;
    } catch {
      // The sentence below says it.
    }
    if (scheme !== "ws:" && scheme !== "wss:") {
      return { ok: false, reason: `The broker address "${url}" does not begin with ws:// or wss://.` };
    }
  }
  if (device !== null && !isDeviceId(device)) {
    return {
      ok: false,
      reason: `The device name "${device}" is not 1 to 64 letters, digits, underscores or hyphens.`,
    };
  }
  return { ok: true, value: { url, device } };
}

/**
 * `loadFile` is asked for the parsed `broker.json` only where the URL names no broker, so that the
 * page works on a web server that has no such file. A broker named in the URL doesn't take over
 * the file's device: that device lives on another broker.
 */
export async function readConfig(
  overrides: Overrides,
  loadFile: () => Promise<unknown>,
): Promise<Parsed<Config>> {
  if (overrides.broker !== null) {
    return checked(overrides.broker, overrides.device);
  }
  let file: unknown;
  try {
    file = await loadFile();
  } catch {
    return {
      ok: false,
      reason:
        "The page found no readable broker.json beside it. Name a broker in the page's address: ?broker=ws://host:port",
    };
  }
  const { url, device } = (typeof file === "object" && file !== null ? file : {}) as Record<string, unknown>;
  if ((typeof url !== "string" && url !== null) || (typeof device !== "string" && device != null)) {
    return { ok: false, reason: 'broker.json is not of the form {"url": text or null, "device": text}.' };
  }
  return checked(url, overrides.device ?? device ?? null);
}

/** The broker's address as it may be shown: without a user name, a password or a query. */
export function showable(url: string): string {
  const u = new URL(url);
  return `${u.protocol}//${u.host}${u.pathname === "/" ? "" : u.pathname}`;
}
