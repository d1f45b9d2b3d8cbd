import { afterEach, describe, expect, it } from "vitest";

import { common } from "../src/catalogue/common";
import { en, fr, local } from "../src/catalogue/format";
import { phrase, say, speak } from "../src/catalogue/phrase";
import { languageOf } from "../src/preferences";
import { addressOf, addressOfDevice, viewOf } from "../src/router";

afterEach(() => speak("en"));

describe("the address", () => {
  it("names the view", () => {
    expect(viewOf("#/review", true)).toBe("review");
    expect(viewOf("#/review/7", true)).toBe("review");
    expect(viewOf(addressOf("fleet"), true)).toBe("fleet");
  });

  it("that names no view means what there is to see first", () => {
    for (const hash of ["", "#", "#/nonsense", "#/slides"]) {
      expect(viewOf(hash, true)).toBe("live");
      expect(viewOf(hash, false)).toBe("fleet");
    }
  });

  it("of another device keeps the broker", () => {
    expect(addressOfDevice("?broker=ws%3A%2F%2Fh&device=a", "b")).toBe("?broker=ws%3A%2F%2Fh&device=b#/live");
    expect(addressOfDevice("", "b", "device")).toBe("?device=b#/device");
  });
});

describe("the language", () => {
  it("is the user's choice, else the browser's first that the page speaks", () => {
    expect(languageOf("fr", ["en"])).toBe("fr");
    expect(languageOf(null, ["de-CH", "fr-CH", "en"])).toBe("fr");
    expect(languageOf(null, ["en-GB", "fr"])).toBe("en");
    expect(languageOf("de", ["sw"])).toBe("en");
  });

  it("is chosen when something is said", () => {
    const cells = phrase<[n: number]>({
      en: (n) => en.plural(n, "cell", "cells"),
      fr: (n) => fr.plural(n, "cellule", "cellules"),
    });
    expect([say(common.view.slide), say(cells, 0), say(cells, 1)]).toEqual(["Slide", "0 cells", "1 cell"]);
    speak("fr");
    expect([say(common.view.slide), say(cells, 0), say(cells, 2)]).toEqual(["Lame", "0 cellule", "2 cellules"]);
    expect(local().decimal(0.5, 2)).toBe("0,50");
  });
});
