// Comes to a board that wants a password: sees the page to sign in at and nothing else, is refused with a wrong one, comes in
// with the right one, works through the board's own WebSocket, and signs out.
//
//     node login.mjs URL --password PASSWORD [--timeout SECONDS] [--pictures FOLDER]
//
// Exit codes: scenario.mjs.

import { axeScript, judge } from "./axe.mjs";
import { isOnline, numberIn, show, wordsOf } from "./look.mjs";
import { scenario } from "./scenario.mjs";

const isSignIn = async (page) => new URL(page.url()).pathname.endsWith("/login") && (await page.locator("#password").isVisible());

async function signIn(page, password) {
  await page.getByLabel("Password").fill(password);
  await page.getByLabel("Password").press("Enter");
}

/** Where the page connects to. */
function socketOf(page) {
  const seen = [];
  page.on("websocket", (socket) => seen.push(socket.url()));
  return seen;
}

const options = { password: { type: "string" } };
await scenario({ name: "login", usage: "URL --password PASSWORD", options, needs: ["password"] }, async (run) => {
  const { url, password } = run.args;
  run.provokes(/status of 401/);
  const page = await run.open(undefined, { init: axeScript(), ignoreHTTPSErrors: true });
  const sockets = socketOf(page);
  await page.goto(url);
  await run.until("the page to sign in at", () => isSignIn(page));
  run.expect((await page.locator("#app").count()) === 0, "the dashboard is there before anybody has signed in");
  const findings = await judge(run, page, "login");

  await signIn(page, `${password} but wrong`);
  const alert = page.getByRole("alert");
  const refusal = await run.until("that the password was wrong", async () => (await alert.isVisible()) && alert.innerText());
  findings.push(...(await judge(run, page, "login-wrong")));
  run.expect(findings.length === 0, `${findings.length} findings: ${findings.join("; ")}`);

  await signIn(page, password);
  await run.until("the dashboard and its device", () => isOnline(page));
  await show(run, page, "slide");
  await run.until("the slide's figure", () => wordsOf(page, ["percent"]), ({ percent }) => numberIn(percent) !== null);
  await show(run, page, "device");
  await page.getByRole("button", { name: "Ping" }).click();
  await run.until("the board's answer", () => page.getByText(/^Answered after/).isVisible());
  await run.picture(page, "login-in");
  const [socket] = sockets;
  run.expect(new URL(socket).host === new URL(url).host && socket.endsWith("/mqtt"), `the page went to ${socket}`);

  await page.getByRole("button", { name: "Sign out" }).click();
  await run.until("the page to sign in at, after signing out", () => isSignIn(page));
  await page.goto(url);
  run.expect(await isSignIn(page), "who has signed out still sees the dashboard");
  return { refusal, socket };
});
