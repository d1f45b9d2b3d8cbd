// Speaks for the camera of a board that has none.

import mqtt from "mqtt";

/** So often a camera is told of: the page forgets within seconds. */
const TOLD_MS = 300;

export class FakeCamera {
  #client;
  #topic;
  #live = () => null;
  #timer;

  /** `broker` is an address of mqtt: or ws:. */
  static async connect(run, broker, device) {
    const camera = new FakeCamera();
    camera.#client = await mqtt.connectAsync(broker, { protocolVersion: 5 });
    camera.#topic = `smearscope/${device}`;
    camera.#timer = setInterval(() => camera.#again(), TOLD_MS);
    run.atEnd(() => {
      clearInterval(camera.#timer);
      return camera.#client.endAsync(true);
    });
    return camera;
  }

  /** What a camera tells that sees something; the page believes a lost camera only of this start of the board. */
  async firstWord(run, device) {
    let status;
    this.#client.on("message", (_, payload) => {
      status = JSON.parse(payload.toString());
    });
    await this.#client.subscribeAsync(`${this.#topic}/status`);
    const { boot_id } = await run.until("a status at the broker", () => status);
    return {
      schema: "smearscope.live/1",
      device,
      boot_id,
      camera: "running",
      focus: 30.5,
      exposure: 0.875,
      verdict: "out_of_focus",
      reason: "Out of focus: turn the fine knob until the figure is highest.",
      is_analysing: true,
    };
  }

  /** Goes on saying what `live` gives; silent where that is `null`. */
  say(live) {
    this.#live = live;
  }

  async once(live) {
    await this.#client.publishAsync(`${this.#topic}/live`, JSON.stringify({ ...live, at: new Date().toISOString() }));
  }

  #again() {
    const live = this.#live();
    if (live) {
      void this.once(live);
    }
  }
}
