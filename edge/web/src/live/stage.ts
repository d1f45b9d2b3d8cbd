// Draws the picture, its boxes and the chosen cell: each on the screen's next frame, and only where
// it changed. The chosen cell has a canvas of its own, so that pointing at cells draws little.

import { drawBoxes, drawChosen } from "../draw";
import { place, type Size } from "../geometry";
import type { Box } from "../messages/checks";
import type { Cell, FieldMessage } from "../messages/field";
import type { Decoded } from "../pictures";
import { enlarged, resized, WHOLE, type Viewport } from "./viewport";

/** Beyond it more pixels are not seen, but must be drawn. */
const MAX_DENSITY = 2;

export class Stage {
  size: Size = { width: 0, height: 0 };
  private viewport: Viewport = WHOLE;
  private picture: Decoded | null = null;
  private boxed: FieldMessage | null = null;
  private chosen: Cell | null = null;
  private frame = 0;
  private isPictureDue = false;
  private isChosenDue = false;

  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly overlay: HTMLCanvasElement,
    /** Told after each change of the viewport, within the frame that shows it. */
    private readonly onViewport: (viewport: Viewport) => void,
  ) {}

  get view(): Viewport {
    return this.viewport;
  }

  show(picture: Decoded | null, boxed: FieldMessage | null): void {
    if (picture !== this.picture || boxed !== this.boxed) {
      this.picture = picture;
      this.boxed = boxed;
      this.due(true);
    }
  }

  choose(cell: Cell | null): void {
    if (cell !== this.chosen) {
      this.chosen = cell;
      this.due(false);
    }
  }

  look(viewport: Viewport): void {
    this.viewport = viewport;
    this.due(true);
  }

  resize(size: Size): void {
    this.viewport = resized(this.viewport, this.size, size);
    this.size = size;
    this.due(true);
  }

  end(): void {
    cancelAnimationFrame(this.frame);
  }

  /** Where a box of the field stands on the stage, `grow` pixels larger on each side. */
  boxOf(bbox: Box, field: Size, grow: number): Box {
    const [x, y, w, h] = place(bbox, field, enlarged(this.size, this.viewport), grow);
    return [x - this.viewport.x, y - this.viewport.y, w, h];
  }

  private due(picture: boolean): void {
    this.isPictureDue ||= picture;
    this.isChosenDue = true;
    if (this.frame === 0) {
      this.frame = requestAnimationFrame(() => {
        this.frame = 0;
        this.draw();
      });
    }
  }

  private draw(): void {
    if (this.isPictureDue) {
      this.drawPicture();
      this.onViewport(this.viewport);
    }
    if (this.isChosenDue) {
      this.drawChosen();
    }
    this.isPictureDue = false;
    this.isChosenDue = false;
  }

  private drawPicture(): void {
    const { picture, boxed, canvas, viewport, size } = this;
    // A picture that was given up meanwhile has no width any more; the next is on its way.
    const pen = picture && picture.bitmap.width > 0 ? this.pen(canvas) : null;
    if (!picture || !pen) {
      return;
    }
    const large = enlarged(size, viewport);
    const { bitmap } = picture;
    // Only the part that is seen, and smoothed in the cheapest way: without a graphics card the
    // others take a tenth of a second.
    const sx = bitmap.width / large.width;
    const sy = bitmap.height / large.height;
    pen.imageSmoothingQuality = "low";
    pen.drawImage(
      bitmap,
      viewport.x * sx,
      viewport.y * sy,
      size.width * sx,
      size.height * sy,
      0,
      0,
      size.width,
      size.height,
    );
    if (boxed) {
      pen.translate(-viewport.x, -viewport.y);
      drawBoxes(pen, boxed, large, [viewport.x, viewport.y, size.width, size.height]);
    }
    canvas.dataset["fieldId"] = picture.fieldId;
    canvas.dataset["boxes"] = String(boxed?.cells.length ?? 0);
  }

  private drawChosen(): void {
    const { chosen, boxed } = this;
    const pen = this.pen(this.overlay);
    if (pen && chosen && boxed) {
      drawChosen(pen, this.boxOf(chosen.bbox, boxed, 7));
    }
  }

  /** An empty canvas of as many pixels as the screen has, so that thin lines stay thin and sharp. */
  private pen(canvas: HTMLCanvasElement): CanvasRenderingContext2D | null {
    const density = Math.min(window.devicePixelRatio || 1, MAX_DENSITY);
    const width = Math.round(this.size.width * density);
    const height = Math.round(this.size.height * density);
    const pen = canvas.getContext("2d");
    if (!pen || width === 0 || height === 0) {
      return null;
    }
    // Setting a canvas's size empties it, but costs its memory anew.
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.clearRect(0, 0, this.size.width, this.size.height);
    return pen;
  }
}
