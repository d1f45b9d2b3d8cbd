// axe-core in a page: what it finds against WCAG 2.2 AA.

import { createRequire } from "node:module";

import { CannotTry } from "./browser.mjs";

/**
 * For `run.open`. A browser's own way to put a script into a page: a script element would be refused by the page's policy, which
 * stays in force so that what is judged is the page as it is.
 */
export function axeScript() {
  try {
    return { path: createRequire(import.meta.url).resolve("axe-core/axe.min.js") };
  } catch {
    throw new CannotTry("axe-core is not installed; run 'npm ci' in tests/browser");
  }
}

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];

/** Each violation as one line: rule, impact, where, and what is wrong there. */
export const violationsOf = (page) =>
  page.evaluate(async (values) => {
    const { violations } = await window.axe.run(document, {
      runOnly: { type: "tag", values },
      resultTypes: ["violations"],
      preload: false,
      iframes: false,
    });
    return violations.flatMap(({ id, impact, nodes }) =>
      nodes.map(({ target, any, all, none }) => {
        const why = [...any, ...all, ...none].map(({ message }) => message).join(", ");
        return `${id} (${impact}) at ${target.join(" ")}: ${why}`;
      }),
    );
  }, TAGS);
