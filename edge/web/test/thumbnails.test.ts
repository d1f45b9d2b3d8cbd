import { describe, expect, it } from "vitest";

import { Thumbnails } from "../src/thumbnails";
import { idOf } from "./fixtures";

describe("thumbnails", () => {
  it("are found by their field's number, whichever of picture and result comes first", () => {
    const kept = new Thumbnails<string>(() => undefined);
    kept.add(idOf(1), "one");
    kept.addField({ id: idOf(1), seq: 11 });
    kept.addField({ id: idOf(2), seq: 12 });
    expect(kept.of(12)).toBeNull();
    kept.add(idOf(2), "two");
    expect([kept.of(11), kept.of(12), kept.of(13)]).toEqual(["one", "two", null]);
  });

  it("are of the newer field where a number came twice", () => {
    const kept = new Thumbnails<string>(() => undefined);
    for (const n of [1, 2]) {
      kept.addField({ id: idOf(n), seq: 5 });
      kept.add(idOf(n), `field ${n}`);
    }
    expect(kept.of(5)).toBe("field 2");
  });

  it("are given back when there are too many, or another comes for the same field", () => {
    const released: string[] = [];
    const kept = new Thumbnails<string>((picture) => released.push(picture));
    for (let n = 0; n < 40; n += 1) {
      kept.addField({ id: idOf(n), seq: n });
      kept.add(idOf(n), `${n}`);
    }
    expect(released).toEqual(["0", "1", "2", "3", "4", "5", "6", "7"]);
    expect(kept.of(7)).toBeNull();
    kept.add(idOf(39), "again");
    expect(released.at(-1)).toBe("39");
    expect(kept.of(39)).toBe("again");
  });
});
