import { beforeEach, describe, expect, it } from "vitest";

import { parseField, type FieldMessage } from "../src/messages/field";
import { Pairing, WAIT_MS } from "../src/pairing";
import { pairWords } from "../src/live/words";
import { bytes, DEVICE, fieldJson, idOf } from "./fixtures";

interface Picture {
  fieldId: string;
}

const picture = (n: number): Picture => ({ fieldId: idOf(n) });

function field(n: number): FieldMessage {
  const parsed = parseField(bytes(fieldJson(n)), DEVICE);
  if (!parsed.ok) {
    throw new Error(parsed.reason);
  }
  return parsed.value;
}

let released: string[];
let pairing: Pairing<Picture>;

beforeEach(() => {
  released = [];
  pairing = new Pairing<Picture>((p) => released.push(p.fieldId));
});

const seen = (now: number): [string | null, number | null] => {
  const view = pairing.view(now);
  return [view.picture?.fieldId ?? null, view.field?.seq ?? null];
};

describe("pairing", () => {
  it("joins by id whichever comes first", () => {
    pairing.addField(field(1));
    expect(seen(0)).toEqual([null, null]);
    pairing.addPicture(picture(1), 0);
    expect(seen(0)).toEqual([idOf(1), 1]);
    pairing.addPicture(picture(2), 10);
    pairing.addField(field(2));
    expect(seen(20)).toEqual([idOf(2), 2]);
    expect(released).toEqual([idOf(1)]);
  });

  it("never lays a result over another picture", () => {
    pairing.addPicture(picture(1), 0);
    pairing.addField(field(2));
    expect(seen(10_000)).toEqual([idOf(1), null]);
  });

  it("keeps the last pair while a newer picture waits, but not for long", () => {
    pairing.addField(field(1));
    pairing.addPicture(picture(1), 0);
    pairing.addPicture(picture(2), 1000);
    expect(seen(1000 + WAIT_MS - 1)).toEqual([idOf(1), 1]);
    expect(seen(1000 + WAIT_MS)).toEqual([idOf(2), null]);
    pairing.addField(field(2));
    expect(seen(1000 + WAIT_MS)).toEqual([idOf(2), 2]);
  });

  it("still forms pairs where each result comes after the next picture", () => {
    pairing.addPicture(picture(1), 0);
    for (let n = 1; n < 50; n += 1) {
      pairing.addPicture(picture(n + 1), n * 100);
      pairing.addField(field(n));
      expect(seen(n * 100)).toEqual([idOf(n), n]);
    }
  });

  it("keeps the pair on screen for pictures that come thinned out", () => {
    pairing.addField(field(1));
    pairing.addPicture(picture(1), 0);
    for (let n = 2; n < 200; n += 1) {
      pairing.addField(field(n));
    }
    expect(seen(60_000)).toEqual([idOf(1), 1]);
    pairing.addPicture(picture(199), 60_000);
    expect(seen(60_000)).toEqual([idOf(199), 199]);
  });

  it("holds few pictures and releases each other one once", () => {
    pairing.addField(field(1));
    pairing.addPicture(picture(1), 0);
    for (let n = 2; n <= 100; n += 1) {
      pairing.addPicture(picture(n), n);
    }
    expect(released).toHaveLength(96);
    expect(new Set(released).size).toBe(96);
    expect(released).not.toContain(idOf(1));
    expect(released).not.toContain(idOf(100));
  });
});

describe("what the page says of picture and result", () => {
  it.each([
    [null, null, null, "Waiting for the first field."],
    [null, null, 3, "The result of field 3 is here; its picture is still to come."],
    [2, null, null, "A picture is here, its result is not: no boxes yet."],
    [4, null, 3, "The picture is newer than the newest result (field 3)"],
    [2, null, 3, "The picture is older than the newest result (field 3)"],
    [3, 3, 3, "Picture and boxes: field 3."],
    [3, 3, 5, "The result of field 5 is newer"],
  ])("picture %s with result %s, newest result %s", (p, f, latest, words) => {
    const said = pairWords(p === null ? null : picture(p), f === null ? null : field(f), latest === null ? null : field(latest));
    expect(said).toContain(words);
  });
});
