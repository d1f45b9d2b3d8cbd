// A button that tells a board something. While it waits it can't be pressed again.

import { useState } from "preact/hooks";

import type { Answer } from "../ask";
import { whyWords } from "../catalogue/answers";
import { device as wording } from "../catalogue/device";
import { say } from "../catalogue/phrase";

/** What is to be told of a command. */
export type Told = { tone: "wait" | "good" | "bad"; text: string } | null;

export interface Command {
  told: Told;
  isBusy: boolean;
  run<T>(ask: () => Promise<Answer<T>>, words: (value: T) => string): Promise<T | null>;
}

/** One command at a time, with what became of the last. */
export function useCommand(): Command {
  const [told, tell] = useState<Told>(null);
  return {
    told,
    isBusy: told?.tone === "wait",
    run: async (ask, words) => {
      tell({ tone: "wait", text: say(wording.asking) });
      const answer = await ask();
      tell(answer.ok ? { tone: "good", text: words(answer.value) } : { tone: "bad", text: whyWords(answer.why) });
      return answer.ok ? answer.value : null;
    },
  };
}

export function ToldLine({ told }: { told: Told }) {
  return (
    <p role="status" class={told?.tone === "bad" ? "told error" : "told"}>
      {told?.text}
    </p>
  );
}
