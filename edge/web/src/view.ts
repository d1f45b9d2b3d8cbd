// The page, brought in line with what is known.

import { cellAt, fitWidth, labelSpot, place, sameShape, type Size } from "./geometry";
import { element, pill, say, setText } from "./dom";
import { drawBoxes } from "./draw";
import type { Cell, FieldMessage } from "./messages";
import { NowCard } from "./now";
import type { View } from "./pairing";
import type { Station } from "./station";
import * as words from "./words";

export interface Decoded {
  fieldId: string;
  bitmap: ImageBitmap;
}

/** Buttons for the most suspicious cells; the rest is told as a number. */
const MAX_CHIPS = 12;

export class Page {
  private readonly canvas = element<HTMLCanvasElement>("picture");
  private readonly stage = element("stage");
  private readonly tip = element("tip");
  private readonly nowCard = new NowCard();
  private readonly chips: HTMLButtonElement[] = [];
  private picture: Decoded | null = null;
  /** The result whose boxes lie over the picture: its own or none. */
  private boxed: FieldMessage | null = null;
  private suspects: Cell[] = [];
  private chosen: Cell | null = null;

  constructor(broker: string, device: string | null) {
    const named = device !== null;
    element("board").hidden = !named;
    element("chooser").hidden = named;
    element("device-state").hidden = !named;
    setText(element("device-name"), device ?? "No device chosen");
    setText(element("device"), device ?? "");
    setText(element("broker"), broker);
    document.title = named ? `${device} · Smearscope` : "Smearscope";

    new ResizeObserver(() => this.draw()).observe(this.stage);
    this.canvas.addEventListener("pointermove", (e) => this.point(e));
    this.canvas.addEventListener("pointerdown", (e) => this.point(e));
    this.canvas.addEventListener("pointerleave", () => this.choose(null));
  }

  /** Only what went wrong before there was a connection. */
  static refuse(reason: string): void {
    pill(element("link-state"), words.linkWords({ is: "impossible", why: reason }));
    say(element("alarm"), reason);
  }

  render(station: Station, view: View<Decoded>, now: number): void {
    pill(element("link-state"), words.linkWords(station.link));
    const alarm = station.alarm(now);
    say(element("alarm"), alarm);
    document.body.classList.toggle("not-live", alarm !== null);
    this.renderProblems(station);
    if (station.device === null) {
      this.renderChooser(station);
      return;
    }
    const heard = station.heard(now);
    const connected = station.link.is === "connected";
    element("device-state").hidden = !connected;
    pill(element("device-state"), words.deviceWords(station.status, heard));
    if (station.status) {
      setText(element("version"), station.status.version);
      setText(element("model"), `${station.status.model.name} ${station.status.model.version}`);
    }
    this.nowCard.render(station, now);
    this.renderSlide(station);
    this.renderLast(station, now);
    this.renderPicture(station, view);
  }

  private renderProblems(station: Station): void {
    const lines = [...station.problems.values()];
    const target = element("problems");
    const text =
      lines.length === 0
        ? null
        : `${lines.slice(0, 4).join(" ")} (${words.plural(station.ignored, "message", "messages")} ignored so far.)`;
    say(target, text);
  }

  private renderChooser(station: Station): void {
    const list = element<HTMLUListElement>("chooser-list");
    const devices = [...station.devices.values()].sort((a, b) => a.device.localeCompare(b.device));
    element("chooser-empty").hidden = devices.length > 0;
    devices.forEach((status, i) => {
      let item = list.children[i];
      if (!item) {
        item = list.appendChild(document.createElement("li"));
        item.append(document.createElement("a"), " ", document.createElement("span"));
      }
      const [link, state] = item.children as unknown as [HTMLAnchorElement, HTMLElement];
      const query = new URLSearchParams(location.search);
      query.set("device", status.device);
      link.href = `?${query}`;
      setText(link, status.device);
      state.className = "pill";
      pill(state, words.deviceWords(status, true));
    });
    while (list.children.length > devices.length) {
      list.lastElementChild?.remove();
    }
  }

  private renderSlide(station: Station): void {
    const slide = station.slide?.value ?? null;
    element("slide").hidden = slide === null;
    element("slide-none").hidden = slide !== null;
    say(element("slide-stale"), station.slideIsStale() ? "Stale: not live" : null);
    if (!slide) {
      return;
    }
    const p = slide.parasitemia && words.parasitemiaWords(slide.parasitemia);
    setText(element("percent"), p?.percent ?? "no cell yet");
    setText(element("interval"), p ? `${p.interval} (${words.method(slide.interval)})` : "");
    const progress = element<HTMLProgressElement>("progress");
    progress.max = Math.max(slide.cellsNeeded, 1);
    progress.value = Math.min(slide.counts.cells, progress.max);
    const state = element("slide-state");
    state.dataset["state"] = slide.state;
    setText(state, words.slideWords(slide));
    setText(
      element("slide-counts"),
      `${words.integer(slide.counts.parasitized)} of ${words.plural(slide.counts.cells, "red cell", "red cells")}`,
    );
    setText(element("slide-fields"), words.integer(slide.fields));
  }

  private renderLast(station: Station, now: number): void {
    const field = station.field?.value ?? null;
    element("last").hidden = field === null;
    element("last-none").hidden = field !== null;
    const stale = station.fieldStale();
    say(element("field-stale"), stale === null ? null : `Stale: ${stale}`);
    if (!field || !station.field) {
      return;
    }
    setText(element("seq"), words.integer(field.seq));
    setText(element("taken"), words.takenWords(field));
    const age = now - station.field.at;
    const lag = field.clockSynchronised === false ? null : Date.now() - age - field.capturedAt.getTime();
    setText(element("age"), words.receivedWords(age, lag));
    setText(element("counts"), words.countsWords(field.counts));
    setText(element("counted"), words.countedWords(field));
    const overlap = words.overlapWords(field.overlap);
    element("overlap-row").hidden = overlap === null;
    setText(element("overlap"), overlap ?? "");
    setText(element("focus"), words.focusFigure(field.quality.focus));
    setText(element("exposure"), words.percent(field.quality.exposure));
    setText(element("crowded"), field.quality.crowded ? "yes: cells overlap, the count is doubtful" : "no");
    setText(element("cell-size"), words.cellSizeWords(field.quality));
    setText(element("source"), field.source);
  }

  private renderPicture(station: Station, { picture, field }: View<Decoded>): void {
    const misfit = picture !== null && field !== null && !sameShape(field, picture.bitmap);
    const boxed = misfit ? null : field;
    if (picture !== this.picture || boxed !== this.boxed) {
      this.picture = picture;
      this.boxed = boxed;
      this.suspects = (boxed?.cells ?? []).filter((c) => c.parasitized).sort((a, b) => b.p - a.p);
      element("key-before").hidden = !boxed?.cells.some((c) => c.countedBefore);
      this.renderChips();
      // The cell that was pointed at belongs to the picture before; a chip in focus stays chosen.
      const focused = this.chips.findIndex((chip) => chip === document.activeElement);
      this.choose(this.suspects[focused] ?? null);
    }
    setText(
      element("pair"),
      misfit
        ? `The picture (${picture.bitmap.width} × ${picture.bitmap.height}) has not the shape of its field (${field.width} × ${field.height}): no boxes.`
        : words.pairWords(picture, field, station.field?.value ?? null),
    );
  }

  private drawingSize(bitmap: ImageBitmap): Size {
    return fitWidth(bitmap, this.stage.clientWidth);
  }

  private draw(): void {
    const { picture, boxed, canvas } = this;
    canvas.hidden = picture === null;
    element("no-picture").hidden = picture !== null;
    const pen = canvas.getContext("2d");
    if (!picture || !pen) {
      return;
    }
    // As many pixels as the screen has, so that thin lines stay thin and sharp.
    const size = this.drawingSize(picture.bitmap);
    const density = window.devicePixelRatio || 1;
    canvas.width = Math.round(size.width * density);
    canvas.height = Math.round(size.height * density);
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.drawImage(picture.bitmap, 0, 0, size.width, size.height);
    const boxes = boxed ? drawBoxes(pen, boxed, size, this.chosen) : 0;
    canvas.dataset["fieldId"] = picture.fieldId;
    canvas.dataset["boxes"] = String(boxes);
    canvas.setAttribute(
      "aria-label",
      boxed
        ? `Field ${words.integer(boxed.seq)}, every cell boxed: ${words.countsWords(boxed.counts)}`
        : "Picture of a field without boxes",
    );
  }

  private renderChips(): void {
    const list = element<HTMLUListElement>("suspects-list");
    const count = Math.min(this.suspects.length, MAX_CHIPS);
    while (this.chips.length < count) {
      const chip = document.createElement("button");
      chip.type = "button";
      const i = this.chips.push(chip) - 1;
      const choose = (): void => this.choose(this.suspects[i] ?? null);
      chip.addEventListener("focus", choose);
      chip.addEventListener("pointerenter", choose);
      chip.addEventListener("blur", () => this.choose(null));
      chip.addEventListener("pointerleave", () => this.choose(null));
      list.appendChild(document.createElement("li")).append(chip);
    }
    this.chips.forEach((chip, i) => {
      const cell = this.suspects[i];
      // Hidden, not removed: a button that is removed loses the keyboard's place.
      chip.parentElement!.hidden = i >= count;
      if (cell) {
        setText(chip, words.probability(cell.p));
        chip.classList.toggle("before", cell.countedBefore);
        chip.setAttribute(
          "aria-label",
          `Probability ${words.probability(cell.p)}, at ${cell.bbox[0]}, ${cell.bbox[1]} of the picture${cell.countedBefore ? ", counted in a field before" : ""}: show it`,
        );
      }
    });
    element("suspects").hidden = count === 0;
    const more = this.suspects.length - count;
    say(element("suspects-more"), more > 0 ? `and ${words.integer(more)} more` : null);
  }

  private point(event: PointerEvent): void {
    const { boxed, canvas } = this;
    if (!boxed || canvas.clientWidth === 0) {
      return;
    }
    const x = (event.offsetX * boxed.width) / canvas.clientWidth;
    const y = (event.offsetY * boxed.height) / canvas.clientHeight;
    const cell = cellAt(boxed.cells, x, y);
    if (cell !== this.chosen) {
      this.choose(cell);
    }
  }

  private choose(cell: Cell | null): void {
    this.chosen = cell;
    this.draw();
    const { tip, boxed, picture } = this;
    tip.hidden = cell === null;
    if (!cell || !boxed || !picture) {
      return;
    }
    setText(tip, words.cellWords(cell));
    const size = this.drawingSize(picture.bitmap);
    const box = place(cell.bbox, boxed, size, 8);
    const { x, y } = labelSpot(box, { width: tip.offsetWidth, height: tip.offsetHeight }, size);
    tip.style.transform = `translate(${x}px, ${y}px)`;
  }
}
