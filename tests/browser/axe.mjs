// axe-core in a page: what it finds against WCAG 2.2 AA, in light and dark, on a desk and on a phone.

import { createRequire } from "node:module";

import { CannotTry } from "./browser.mjs";
import { sidewaysOf } from "./look.mjs";
import { DESK, PHONE } from "./scenario.mjs";

/** A desk at 400 %, or a very small phone. */
const NARROW = { width: 320, height: 640 };
const THEMES = ["light", "dark"];

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
const violationsOf = (page) =>
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

/** Everything that is wrong with what `page` shows now, in all sizes and colours. */
export async function judge(run, page, name) {
  const findings = [];
  for (const viewport of [DESK, PHONE, NARROW]) {
    await page.setViewportSize(viewport);
    const sideways = await sidewaysOf(page);
    if (sideways > 0) {
      findings.push(`${name} at ${viewport.width}: scrolls sideways by ${sideways} pixels`);
    }
    for (const colorScheme of viewport === NARROW ? [] : THEMES) {
      await page.emulateMedia({ colorScheme });
      const violations = await violationsOf(page);
      findings.push(...violations.map((line) => `${name} at ${viewport.width}, ${colorScheme}: ${line}`));
      await run.picture(page, `accessible-${name}-${viewport.width}-${colorScheme}`);
    }
  }
  await page.setViewportSize(DESK);
  await page.emulateMedia({ colorScheme: "light" });
  return findings;
}
