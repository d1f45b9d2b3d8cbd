// Where the page's own server asks for a password: a session that has ended, and ending one.

const SIGN_IN = "login";

export function toSignIn(): void {
  location.assign(SIGN_IN);
}

/** Goes where one signs in if the server lets this page in no more; a server that is away says nothing. */
export async function leaveIfSignedOut(): Promise<void> {
  try {
    const { status } = await fetch("broker.json", { method: "HEAD", cache: "no-store" });
    if (status === 401) {
      toSignIn();
    }
  } catch {
    // The network is away, and the connection to the broker says so.
  }
}

export async function signOut(): Promise<void> {
  try {
    await fetch("logout", { method: "POST", redirect: "manual" });
  } finally {
    toSignIn();
  }
}
