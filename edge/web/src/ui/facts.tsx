// Names and values. What has no value is left out.

import type { ComponentChildren } from "preact";

import { say, type Phrase } from "../catalogue/phrase";

export type Fact = readonly [name: Phrase<string>, value: ComponentChildren];

export function Facts({ facts }: { facts: readonly Fact[] }) {
  return (
    <dl>
      {facts
        .filter(([, value]) => value != null)
        .map(([name, value]) => (
          <div key={name.en}>
            <dt>{say(name)}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
