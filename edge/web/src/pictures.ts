// The pictures of fields: decoded, each with its own result, the last ones kept as thumbnails.

import { wire } from "./catalogue/wire";
import { say } from "./catalogue/phrase";
import type { FieldMessage } from "./messages/field";
import type { Picture } from "./messages/picture";
import { Pairing, type View } from "./pairing";
import { Thumbnails } from "./thumbnails";

export interface Decoded {
  fieldId: string;
  bitmap: ImageBitmap;
}

/** Wide enough for a strip of fields on a screen of double density. */
const THUMBNAIL_WIDTH = 192;

export class Pictures {
  readonly thumbnails = new Thumbnails<ImageBitmap>((bitmap) => bitmap.close());
  private readonly pairing = new Pairing<Decoded>((picture) => this.release(picture));
  private held: View<Decoded> | null = null;
  /** Whether the pairing gave up the held picture meanwhile. */
  private isHeldReleased = false;
  private next: Picture | null = null;
  private isBusy = false;

  /** `changed`: there is another picture to show; `failed`: why one can't be shown. */
  constructor(
    private readonly changed: () => void,
    private readonly failed: (reason: string) => void,
  ) {}

  addField(field: FieldMessage): void {
    this.pairing.addField(field);
    this.thumbnails.addField(field);
  }

  /**
   * Decodes one picture at a time; of those that come meanwhile the newest wins, since a page that
   * falls behind must show now and not then.
   */
  add(picture: Picture): void {
    this.next = picture;
    if (!this.isBusy) {
      void this.decode();
    }
  }

  view(now: number): View<Decoded> {
    return this.held ?? this.pairing.view(now);
  }

  get isHeld(): boolean {
    return this.held !== null;
  }

  /** Keeps what is seen now, while the board goes on. */
  hold(now: number): void {
    const view = this.pairing.view(now);
    this.held = view.picture ? view : null;
    this.isHeldReleased = false;
    this.changed();
  }

  letGo(): void {
    if (this.isHeldReleased) {
      this.held?.picture?.bitmap.close();
    }
    this.held = null;
    this.changed();
  }

  private release(picture: Decoded): void {
    if (picture === this.held?.picture) {
      this.isHeldReleased = true;
    } else {
      picture.bitmap.close();
    }
  }

  private async decode(): Promise<void> {
    this.isBusy = true;
    while (this.next) {
      const { fieldId, bytes } = this.next;
      this.next = null;
      try {
        const blob = new Blob([bytes as Uint8Array<ArrayBuffer>], { type: "image/jpeg" });
        const bitmap = await createImageBitmap(blob);
        const thumbnail = await createImageBitmap(bitmap, {
          resizeWidth: Math.min(THUMBNAIL_WIDTH, bitmap.width),
          resizeQuality: "low",
        });
        this.thumbnails.add(fieldId, thumbnail);
        this.pairing.addPicture({ fieldId, bitmap }, performance.now());
        this.changed();
      } catch {
        this.failed(say(wire.pictureIgnored, say(wire.undecodable)));
      }
    }
    this.isBusy = false;
  }
}
