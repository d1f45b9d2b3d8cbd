// A state in a word or two. Each tone has a shape of its own, since colour alone doesn't reach everyone.

import type { Saying } from "../words";

export function Pill({ id, saying }: { id?: string; saying: Saying }) {
  return (
    <span {...(id === undefined ? {} : { id })} class="pill" data-tone={saying.tone}>
      {saying.text}
    </span>
  );
}
