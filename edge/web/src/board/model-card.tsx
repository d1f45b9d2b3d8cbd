// Which model decides, what becomes of the desired one, and the way back.

import { useState } from "preact/hooks";

import type { Asker } from "../ask";
import { wordOf } from "../catalogue/board";
import { common } from "../catalogue/common";
import { device as wording } from "../catalogue/device";
import { local } from "../catalogue/format";
import { say } from "../catalogue/phrase";
import {
  parseModelHistory,
  parseModelList,
  parseWhichModel,
  type KeptModel,
  type ModelEvent,
  type ModelMessage,
  type ModelRef,
} from "../messages/model";
import { Dialog } from "../ui/dialog";
import { Facts, type Fact } from "../ui/facts";
import { ToldLine, useCommand } from "./command-button";
import { modelWords, updateWords } from "./words";

/** The first digits: enough for a person. */
const brief = (sha256: string): string => sha256.slice(0, 12);
const named = ({ name, version }: ModelRef): string => modelWords(name, version);
const share = (value: number | null): string => (value === null ? say(common.unknown) : local().percent(value));

function factsOf(model: ModelMessage): Fact[] {
  const { current, origin, previous, signedAt, update, watch } = model;
  return [
    [wording.deciding, named(current)],
    [wording.hash, brief(current.sha256)],
    [wording.origin, say(wordOf(wording.origins, origin))],
    [wording.previous, previous ? named(previous) : null],
    [wording.signedAt, signedAt && local().time(signedAt)],
    [wording.desired, update && say(wording.desiredSince, updateWords(model)?.text ?? "", brief(update.sha256), local().time(update.at))],
    [wording.reason, update?.reason ?? null],
    [wording.watch, watch && say(wording.shares, share(watch.share), share(watch.shareBefore))],
  ];
}

function Kept({ models }: { models: readonly KeptModel[] }) {
  return (
    <>
      <h3>{say(wording.models)}</h3>
      <ul class="device-list">
        {models.map(({ model, use, origin }) => (
          <li key={model.sha256}>
            <strong>{named(model)}</strong> {brief(model.sha256)} · {say(wordOf(wording.uses, use))} ·{" "}
            {say(wordOf(wording.origins, origin))}
          </li>
        ))}
      </ul>
    </>
  );
}

function History({ events }: { events: readonly ModelEvent[] }) {
  if (events.length === 0) {
    return <p class="quiet">{say(wording.noHistory)}</p>;
  }
  return (
    <>
      <h3>{say(wording.history)}</h3>
      <ol class="device-list">
        {[...events].reverse().map(({ at, kind, sha256, model, reason }, i) => (
          <li key={i}>
            {local().time(at)} · <strong>{model ?? brief(sha256)}</strong> {say(wordOf(wording.events, kind))}
            {reason === null ? "" : `. ${reason}`}
          </li>
        ))}
      </ol>
    </>
  );
}

/** All that is asked for only when somebody wants to see it. */
function More({ asker, isOnline }: { asker: Asker; isOnline: boolean }) {
  const { told, isBusy, run } = useCommand();
  const [models, setModels] = useState<KeptModel[]>([]);
  const [events, setEvents] = useState<ModelEvent[] | null>(null);
  const show = async (): Promise<void> => {
    const list = await run(() => asker.ask("model.list", {}, parseModelList), () => "");
    const history = list && (await run(() => asker.ask("model.history", {}, parseModelHistory), () => ""));
    if (list && history) {
      setModels(list);
      setEvents(history);
    }
  };
  return (
    <>
      <button type="button" class="button" disabled={!isOnline || isBusy} onClick={() => void show()}>
        {say(wording.showModels)}
      </button>
      <ToldLine told={told} />
      {models.length > 0 && <Kept models={models} />}
      {events && <History events={events} />}
    </>
  );
}

function RollBack({ asker, isOnline, model }: { asker: Asker; isOnline: boolean; model: ModelMessage }) {
  const { told, isBusy, run } = useCommand();
  const [isAsking, setAsking] = useState(false);
  const { current, previous } = model;
  const rollBack = (): void =>
    void run(
      // `from`, so that a command that comes late takes nothing else back.
      () => asker.ask("model.rollback", { from: current.sha256 }, parseWhichModel),
      (which) => say(wording.rolledBack, named(which)),
    );
  return (
    <>
      {previous && (
        <button type="button" class="button" disabled={!isOnline || isBusy} onClick={() => setAsking(true)}>
          {say(wording.rollBack, named(previous))}
        </button>
      )}
      <ToldLine told={told} />
      {isAsking && previous && (
        <Dialog title={say(wording.rollBackTitle)} onClose={() => setAsking(false)}>
          {(close) => (
            <>
              <p>{say(wording.rollBackText, named(current), named(previous))}</p>
              <div class="device-buttons">
                <button
                  type="button"
                  class="button primary"
                  onClick={() => {
                    close();
                    rollBack();
                  }}
                >
                  {say(wording.rollBack, named(previous))}
                </button>
                <button type="button" class="button" autofocus onClick={close}>
                  {say(wording.cancel)}
                </button>
              </div>
            </>
          )}
        </Dialog>
      )}
    </>
  );
}

export function ModelCard({ asker, away, model }: { asker: Asker; away: string | null; model: ModelMessage | null }) {
  const isOnline = away === null;
  return (
    <section class="card" aria-labelledby="model-title">
      <h2 id="model-title">{say(wording.model)}</h2>
      {model ? (
        <>
          <Facts facts={factsOf(model)} />
          <RollBack asker={asker} isOnline={isOnline} model={model} />
        </>
      ) : (
        <p class="quiet">{say(wording.noModel)}</p>
      )}
      <More asker={asker} isOnline={isOnline} />
    </section>
  );
}
