// What a user sees on the page, read from it.

/** The words of these elements; `null` for what is hidden or not there. */
export const wordsOf = (page, ids) =>
  page.evaluate(
    (names) =>
      Object.fromEntries(
        names.map((id) => {
          const found = document.getElementById(id);
          return [id, found?.checkVisibility() ? found.innerText.trim() : null];
        }),
      ),
    ids,
  );

/** What the field's canvas shows: which field, how many boxed cells, how many colours. A blank picture has one. */
export const pictureOf = (page) =>
  page.evaluate(() => {
    const canvas = document.getElementById("picture");
    const seen = new Set();
    if (canvas?.checkVisibility() && canvas.width > 0 && canvas.height > 0) {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      // Every 997th pixel is sample enough.
      for (let i = 0; i + 2 < data.length; i += 4 * 997) {
        seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
      }
    }
    return {
      field_id: canvas?.dataset.fieldId ?? null,
      boxes: Number(canvas?.dataset.boxes ?? 0),
      colours: seen.size,
    };
  });

/** So many colours has a picture with something on it. */
export const CONTENT = 16;

/** The number in English words: `1,234 red cells` is 1234; `null` where there is none. */
export function numberIn(words) {
  const [digits] = /[\d,]*\.?\d+/.exec(words ?? "") ?? [];
  return digits === undefined ? null : Number(digits.replaceAll(",", ""));
}

/** Shows a view without loading the page anew, and waits until it is drawn. */
export async function show(run, page, view) {
  await page.evaluate((name) => {
    location.hash = `#/${name}`;
  }, view);
  await run.until(`the view ${view}`, () =>
    page.locator(`nav a[href="#/${view}"][aria-current="page"]`).isVisible(),
  );
}

export const isOnline = async (page) => (await wordsOf(page, ["device-state"]))["device-state"] === "Device online";

/** By how many pixels the page is wider than its window. */
export const sidewaysOf = (page) =>
  page.evaluate(() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth);
