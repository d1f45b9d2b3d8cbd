// The name and password for a broker, kept as long as the browser's tab and for that broker only;
// never in the page's address, which ends up in histories and logs.

export interface Credentials {
  username: string;
  password: string;
}

/** What of `sessionStorage` is used. */
export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const keyOf = (url: string): string => `smearscope.credentials ${url}`;

export function recall(store: Store, url: string): Credentials | null {
  try {
    const found: unknown = JSON.parse(store.getItem(keyOf(url)) ?? "null");
    const { username, password } = (found ?? {}) as Record<string, unknown>;
    return typeof username === "string" && typeof password === "string" ? { username, password } : null;
  } catch {
    // A browser may withhold its storage, and another program may have written there.
    return null;
  }
}

export function keep(store: Store, url: string, credentials: Credentials): void {
  try {
    store.setItem(keyOf(url), JSON.stringify(credentials));
  } catch {
    // Then they are asked for again after a reload.
  }
}

export function forget(store: Store, url: string): void {
  try {
    store.removeItem(keyOf(url));
  } catch {
    // Nothing was kept either.
  }
}
