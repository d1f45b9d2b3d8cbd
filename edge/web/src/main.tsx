// Starts the page: configuration → session → what is seen.

import { render } from "preact";

import { App, Trouble } from "./app";
import { common } from "./catalogue/common";
import { say } from "./catalogue/phrase";
import { overridesOf, readConfig } from "./config";
import { restorePreferences } from "./preferences";
import { openSession } from "./session";
import { toSignIn } from "./sign";
import "./styles/base.css";
import "./styles/shell.css";
import "./styles/print.css";

async function loadFile(): Promise<unknown> {
  const answer = await fetch("broker.json", { cache: "no-store" });
  if (answer.status === 401) {
    toSignIn();
  }
  if (!answer.ok) {
    throw new Error(`broker.json: ${answer.status}`);
  }
  return answer.json();
}

async function start(root: Element): Promise<void> {
  restorePreferences();
  const config = await readConfig(overridesOf(location.search), location.href, loadFile);
  if (!config.ok) {
    render(<Trouble why={config.reason} />, root);
  } else if (config.value.url === null) {
    render(<Trouble why={say(common.noBroker)} />, root);
  } else {
    render(<App session={openSession(config.value, config.value.url)} />, root);
  }
}

void start(document.getElementById("app")!);
