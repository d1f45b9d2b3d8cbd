// Which view the page's address names: what stands behind its `#`.

export const VIEWS = ["live", "slide", "review", "device", "fleet"] as const;

export type ViewName = (typeof VIEWS)[number];

/** Without a device there is nothing to see but the fleet. */
export function viewOf(hash: string, hasDevice: boolean): ViewName {
  const named = VIEWS.find((view) => hash === `#/${view}` || hash.startsWith(`#/${view}/`));
  return named ?? (hasDevice ? "live" : "fleet");
}

export const addressOf = (view: ViewName): string => `#/${view}`;

/**
 * The page of a device, with all else that the address says kept. The browser loads it anew, so
 * nothing of another device stays.
 */
export function addressOfDevice(search: string, device: string, view: ViewName = "live"): string {
  const query = new URLSearchParams(search);
  query.set("device", device);
  return `?${query}${addressOf(view)}`;
}
