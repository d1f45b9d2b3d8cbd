// All that the page knows, and the rules by which a message changes it. No DOM, no network, no
// clock of its own.

import { common } from "./catalogue/common";
import { say } from "./catalogue/phrase";
import type { LinkState } from "./link";
import type { Parsed } from "./messages/checks";
import { parseField, type FieldMessage } from "./messages/field";
import { parseLive, type LiveMessage } from "./messages/live";
import { parsePicture, type Picture } from "./messages/picture";
import { parseSlide, type SlideMessage } from "./messages/slide";
import { parseStatus, type StatusMessage } from "./messages/status";
import { Trail } from "./trail";
import { alarmWords } from "./words";

/** A value with the moment and the connection it came by. */
export interface Received<T> {
  value: T;
  at: number;
  session: number;
}

/** A retained status comes with the subscription; after this long there is none. */
const STATUS_PATIENCE_MS = 3000;

/** A camera is told of twice a second; after this long without a word nothing is known of now. */
const LIVE_PATIENCE_MS = 3000;

/** What is heard of the device that the page is about. */
export const topicsOf = (device: string): string[] =>
  ["status", "live", "field", "slide", "image/field"].map((leaf) => `smearscope/${device}/${leaf}`);

export class Station {
  link: LinkState = { is: "starting" };
  status: StatusMessage | null = null;
  slide: Received<SlideMessage> | null = null;
  field: Received<FieldMessage> | null = null;
  /** What the camera saw last; `null` where the device never told, because its fields come from no camera. */
  live: Received<LiveMessage> | null = null;
  /** Focus and light of the last minute. */
  readonly focusTrail = new Trail(LIVE_PATIENCE_MS);
  readonly lightTrail = new Trail(LIVE_PATIENCE_MS);
  /** Per topic: why the last message there was ignored. A good message there clears it. */
  readonly problems = new Map<string, string>();
  ignored = 0;

  /** Counts the connections, so that data from before a gap can be told from data after it. */
  private session = 0;
  private connectedAt = 0;

  constructor(readonly device: string) {}

  setLink(link: LinkState, now: number): void {
    if (link.is === "connected") {
      this.session += 1;
      this.connectedAt = now;
      // What is retained comes again at once; until then it is not known.
      this.status = null;
    }
    this.link = link;
  }

  /** Takes a message in; a picture is handed back, since only a browser can decode it. */
  take(
    topic: string,
    payload: Uint8Array,
    userProperties: Record<string, unknown>,
    now: number,
  ): { field?: FieldMessage; picture?: Picture } {
    // An empty payload is how MQTT forgets a retained message.
    const cleared = payload.byteLength === 0;
    if (cleared) {
      this.problems.delete(topic);
    }
    switch (topic) {
      case `smearscope/${this.device}/status`: {
        const status = cleared ? null : this.good(topic, parseStatus(payload, this.device));
        if (cleared || status) {
          this.status = status;
        }
        return {};
      }
      case `smearscope/${this.device}/slide`: {
        const slide = cleared ? null : this.good(topic, parseSlide(payload, this.device));
        if (cleared || slide) {
          this.slide = slide && { value: slide, at: now, session: this.session };
        }
        return {};
      }
      case `smearscope/${this.device}/live`: {
        const live = cleared ? null : this.good(topic, parseLive(payload, this.device));
        if (live) {
          this.live = { value: live, at: now, session: this.session };
          this.focusTrail.add(live.focus, now);
          this.lightTrail.add(live.exposure, now);
        }
        return {};
      }
      case `smearscope/${this.device}/field`: {
        const field = this.good(topic, parseField(payload, this.device));
        if (!field) {
          return {};
        }
        if (this.isNewer(field)) {
          this.field = { value: field, at: now, session: this.session };
        }
        return { field };
      }
      case `smearscope/${this.device}/image/field`: {
        const picture = this.good(topic, parsePicture(payload, userProperties["field_id"]));
        return picture ? { picture } : {};
      }
      default:
        return {};
    }
  }

  report(topic: string, reason: string): void {
    this.ignored += 1;
    this.problems.set(topic, reason);
  }

  /** Whether the broker has had time to hand over a retained status. */
  heard(now: number): boolean {
    return this.link.is === "connected" && now - this.connectedAt >= STATUS_PATIENCE_MS;
  }

  /** Why the figures on the page are not live, for all of them; `null` when they are. */
  alarm(now: number): string | null {
    return alarmWords(this.link, this.status, this.heard(now), this.lostCamera());
  }

  /** Whether what is known of the camera is not of now. It comes unretained, so that its age alone tells. */
  liveIsStale(now: number): boolean {
    const { live, link, status } = this;
    const isOff = status !== null && status.state !== "online";
    return (
      live !== null &&
      (link.is !== "connected" || isOff || live.session !== this.session || now - live.at >= LIVE_PATIENCE_MS)
    );
  }

  /** Why there is no picture, from a camera that this start of the device lost and hasn't found again. */
  private lostCamera(): string | null {
    const { live } = this;
    const isOfNow = live?.session === this.session && live.value.bootId === this.status?.bootId;
    return isOfNow && live.value.camera === "lost" ? live.value.reason : null;
  }

  private isLive(): boolean {
    return this.link.is === "connected" && this.status?.state === "online";
  }

  slideIsStale(): boolean {
    return this.slide !== null && (!this.isLive() || this.slide.session !== this.session);
  }

  /** Why the field on the page is not of now; `null` when it is. */
  fieldStale(): string | null {
    if (!this.field) {
      return null;
    }
    if (!this.isLive()) {
      return say(common.staleNotLive);
    }
    if (this.field.session !== this.session) {
      return say(common.staleConnection);
    }
    return this.field.value.bootId === this.status?.bootId ? null : say(common.staleRestart);
  }

  private good<T>(topic: string, parsed: Parsed<T>): T | null {
    if (parsed.ok) {
      this.problems.delete(topic);
      return parsed.value;
    }
    this.report(topic, parsed.reason);
    return null;
  }

  /**
   * Results that waited for the broker, or were asked for again, arrive late and must not replace
   * what is newer. Within one start of the device `seq` decides; across a restart the start that
   * the device reports now does, because a board's clock can jump back; else the id, whose order
   * is the order in time.
   */
  private isNewer(field: FieldMessage): boolean {
    const last = this.field?.value;
    if (!last) {
      return true;
    }
    if (field.bootId === last.bootId) {
      return field.seq >= last.seq;
    }
    const now = this.status?.bootId;
    if (now === field.bootId || now === last.bootId) {
      return now === field.bootId;
    }
    return field.id > last.id;
  }
}
