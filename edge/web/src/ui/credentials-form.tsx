// Asks for the name and password that the broker wants.

import { useEffect, useRef } from "preact/hooks";

import { common } from "../catalogue/common";
import { say } from "../catalogue/phrase";
import type { Credentials } from "../credentials";

interface Props {
  /** The broker's address as it may be shown. */
  broker: string;
  wrong: boolean;
  onSubmit(credentials: Credentials): void;
}

const LOCAL = /^wss?:\/\/(localhost|127\.[\d.]+|\[::1\])(:|\/|$)/;

export function CredentialsForm({ broker, wrong, onSubmit }: Props) {
  const name = useRef<HTMLInputElement>(null);
  useEffect(() => name.current?.focus(), []);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    onSubmit({ username: String(form.get("username")), password: String(form.get("password")) });
  };
  return (
    <form class="card credentials" aria-labelledby="credentials-title" onSubmit={submit}>
      <h2 id="credentials-title">{say(common.credentialsTitle, broker)}</h2>
      {wrong && (
        <p class="error" role="alert">
          {say(common.credentialsWrong)}
        </p>
      )}
      <label>
        {say(common.username)}
        <input ref={name} name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required />
      </label>
      <label>
        {say(common.password)}
        <input name="password" type="password" autocomplete="current-password" required />
      </label>
      {broker.startsWith("ws:") && !LOCAL.test(broker) && <p class="error">{say(common.credentialsPlain)}</p>}
      <p class="quiet">{say(common.credentialsKept)}</p>
      <button type="submit" class="button primary">
        {say(common.connect)}
      </button>
    </form>
  );
}
