// Judges every view against WCAG 2.2 AA with axe-core: in English and French, light and dark, on a desk and on a phone. Sees
// that nothing scrolls sideways down to 320 pixels (a desk at 400 %), that the keyboard reaches every control and shows where
// it is, that the language is declared, and that who wants no motion gets none.
//
//     node accessible.mjs URL [--timeout SECONDS] [--pictures FOLDER]
//
// Of a board that has counted and kept cells, with a slide open. Exit codes: scenario.mjs.

import { axeScript, judge } from "./axe.mjs";
import { CONTENT, isOnline, pictureOf, show } from "./look.mjs";
import { refusingBroker } from "./refusing_broker.mjs";
import { scenario } from "./scenario.mjs";

const MOST_TABS = 200;
/** One fault is found in many places. */
const MOST_TOLD = 20;

async function badId(page) {
  await page.locator("#slide-id").fill("a b");
  await page.locator("#slide-id").press("Enter");
}

const noId = (page) => page.locator("#slide-id").fill("");
const askToClose = (page) => page.locator('.start-form button[type="button"]').click();
const askForHelp = (page) => page.keyboard.press("?");
const escape = (page) => page.keyboard.press("Escape");

/** What is looked at: the view, what must be there, and what is to be done first and after. */
const SCENES = [
  { name: "live", view: "live", has: "#counts" },
  { name: "slide", view: "slide", has: ".course-card svg", first: badId, after: noId },
  { name: "slide-question", view: "slide", has: "#percent", first: askToClose, after: escape },
  { name: "review", view: "review", has: '.cell-stage[data-picture="here"]' },
  { name: "review-help", view: "review", has: '.cell-stage[data-picture="here"]', first: askForHelp, after: escape },
  { name: "device", view: "device", has: ".device-cards dl" },
  { name: "fleet", view: "fleet", has: ".fleet-table" },
];

const languageOf = (page) =>
  page.evaluate(() => ({
    page: document.documentElement.lang,
    other: document.querySelector(".switches button").lang,
    title: document.querySelector("nav [aria-current]")?.innerText ?? null,
  }));

const VIEW_NAMES = {
  en: { live: "Live", slide: "Slide", review: "Review", device: "Device", fleet: "Fleet" },
  fr: { live: "Direct", slide: "Lame", review: "Relecture", device: "Appareil", fleet: "Parc" },
};

async function speak(run, page, language) {
  if ((await languageOf(page)).page !== language) {
    await page.locator(".switches button").first().click();
  }
  await run.until(`the page in ${language}`, () => languageOf(page), (now) => now.page === language && now.other !== language);
}

/** Presses Tab through the whole page; gives what can be used but was not reached, or was reached without showing it. */
async function keyboardGaps(page) {
  await page.evaluate(() => {
    const usable = "a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled), textarea:not(:disabled), summary, [tabindex='0']";
    const isThere = (element) => element.tabIndex >= 0 && element.checkVisibility();
    window.unreached = new Set([...document.querySelectorAll(usable)].filter(isThere));
    window.unshown = [];
  });
  const step = () =>
    page.evaluate(() => {
      const at = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(at);
      if (at !== document.body && (outlineStyle === "none" || parseFloat(outlineWidth) < 2)) {
        window.unshown.push(at);
      }
      window.unreached.delete(at);
      return { isEnd: at === document.body, left: window.unreached.size };
    });
  // From where the keyboard is to the end, and then from the beginning.
  for (let ends = 0, tabs = 0; ends < 2 && tabs < MOST_TABS; tabs += 1) {
    await page.keyboard.press("Tab");
    const { isEnd, left } = await step();
    ends += isEnd ? 1 : left === 0 ? 2 : 0;
  }
  return page.evaluate(() => {
    const name = (element) => element.ariaLabel ?? (element.innerText.trim() || element.id || element.tagName);
    // A button of a live page may have gone meanwhile.
    const left = [...window.unreached].filter((element) => element.isConnected && element.checkVisibility() && !element.disabled);
    return [
      ...left.map((element) => `the keyboard does not reach "${name(element)}"`),
      ...window.unshown.map((element) => `the keyboard's place is not shown at "${name(element)}"`),
    ];
  });
}

/** What moves although nobody wants that. */
const movingOf = (page) =>
  page.evaluate(() => {
    const moves = (element) => {
      const { animationName, transitionDuration, scrollBehavior } = getComputedStyle(element);
      return animationName !== "none" || /[1-9]/.test(transitionDuration) || scrollBehavior === "smooth";
    };
    return [...document.querySelectorAll("*")].filter(moves).length + document.getAnimations().length;
  });

/** What the keyboard can't do in a view, and what moves there although nobody wants that. */
async function judgeUse(page, view, findings) {
  findings.push(...(await keyboardGaps(page)).map((line) => `${view}: ${line}`));
  await page.emulateMedia({ reducedMotion: "reduce" });
  const moving = await movingOf(page);
  await page.emulateMedia({ reducedMotion: "no-preference" });
  if (moving > 0) {
    findings.push(`${view}: ${moving} elements move although that is not wanted`);
  }
}

async function judgeScenes(run, page, language, findings) {
  await speak(run, page, language);
  const used = new Set(language === "en" ? [] : SCENES.map(({ view }) => view));
  for (const { name, view, has, first, after } of SCENES) {
    await show(run, page, view);
    await run.until(`${has} in ${view}`, () => page.locator(has).first().isVisible());
    const { title } = await languageOf(page);
    if (title !== VIEW_NAMES[language][view]) {
      findings.push(`${name} in ${language}: its view is called "${title}"`);
    }
    if (!used.has(view)) {
      used.add(view);
      await judgeUse(page, view, findings);
    }
    await first?.(page);
    findings.push(...(await judge(run, page, `${name}-${language}`)));
    await after?.(page);
  }
}

/** What asks for the broker's name and password. */
async function judgeCredentials(run, findings) {
  const broker = await refusingBroker();
  run.atEnd(broker.end);
  const url = new URL(run.args.url);
  url.searchParams.set("broker", broker.url);
  url.searchParams.set("device", "demo");
  const page = await run.open(url.href, { init: axeScript() });
  const form = page.locator("form.credentials");
  await run.until("the form that asks for the broker's password", () => form.isVisible());
  for (const language of ["en", "fr"]) {
    await speak(run, page, language);
    await form.locator('[name="username"]').fill("nobody");
    await form.locator('[name="password"]').fill("wrong");
    await form.locator('[name="password"]').press("Enter");
    await run.until("that the password was wrong", () => form.locator('[role="alert"]').isVisible());
    findings.push(...(await judge(run, page, `credentials-${language}`)));
  }
  await page.close();
}

await scenario({ name: "accessible", usage: "URL" }, async (run) => {
  const findings = [];
  const page = await run.open(run.args.url, { init: axeScript() });
  await run.until("the device", () => isOnline(page));
  await run.until("a picture with its boxes", () => pictureOf(page), ({ boxes, colours }) => boxes > 0 && colours >= CONTENT);
  for (const language of ["en", "fr"]) {
    await judgeScenes(run, page, language, findings);
  }
  await judgeCredentials(run, findings);
  run.expect(findings.length === 0, `${findings.length} findings: ${findings.slice(0, MOST_TOLD).join("; ")}`);
  return { scenes: SCENES.length + 1, languages: 2, findings };
});
