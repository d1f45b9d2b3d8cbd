// All that can be done with a cell, for the hand; the keys stand beside.

import { say, type Phrase } from "../catalogue/phrase";
import { review as wording } from "../catalogue/review";
import { Dialog } from "../ui/dialog";
import type { Action } from "./keys";

interface KeyButtonProps {
  label: Phrase<string>;
  shortcut: string;
  class?: string;
  isPressed?: boolean;
  isOff?: boolean;
  onPress(): void;
}

function KeyButton({ label, shortcut, class: name = "", isPressed, isOff = false, onPress }: KeyButtonProps) {
  return (
    <button type="button" class={`button ${name}`} aria-pressed={isPressed} disabled={isOff} onClick={onPress}>
      {say(label)} <kbd aria-hidden="true">{shortcut}</kbd>
    </button>
  );
}

interface Props {
  /** What stands of the cell; `undefined` where none is looked at. */
  verdict: boolean | null | undefined;
  /** Decisions can't be sent now. */
  isOff: boolean;
  canUndo: boolean;
  canGoBack: boolean;
  look: { hasOutline: boolean; isHidden: boolean; isClose: boolean };
  act(action: Action): void;
  onCloser(): void;
}

export function Controls({ verdict, isOff, canUndo, canGoBack, look, act, onCloser }: Props) {
  const isNone = verdict === undefined;
  return (
    <div class="cell-controls">
      <div class="cell-verdicts" role="group" aria-label={say(wording.actions)}>
        <KeyButton
          label={wording.parasitized}
          shortcut="P"
          class="primary cell-parasitized"
          isPressed={verdict === true}
          isOff={isOff || isNone}
          onPress={() => act("parasitized")}
        />
        <KeyButton
          label={wording.uninfected}
          shortcut="U"
          class="primary cell-uninfected"
          isPressed={verdict === false}
          isOff={isOff || isNone}
          onPress={() => act("uninfected")}
        />
      </div>
      <div class="cell-moves">
        <KeyButton label={wording.back} shortcut="←" isOff={!canGoBack} onPress={() => act("back")} />
        <KeyButton label={wording.skip} shortcut="S →" isOff={isNone} onPress={() => act("skip")} />
        <KeyButton label={wording.undo} shortcut="Z" isOff={isOff || !canUndo} onPress={() => act("undo")} />
      </div>
      <div class="cell-looks">
        <KeyButton label={wording.mask} shortcut="M" class="small" isPressed={look.hasOutline} onPress={() => act("mask")} />
        <KeyButton label={wording.hide} shortcut="H" class="small" isPressed={look.isHidden} onPress={() => act("hide")} />
        <button type="button" class="button small" aria-pressed={look.isClose} onClick={onCloser}>
          {say(wording.closer)}
        </button>
        <KeyButton label={wording.help} shortcut="?" class="small" onPress={() => act("help")} />
      </div>
    </div>
  );
}

const HELP: readonly (readonly [string, Phrase<string>])[] = [
  ["P", wording.parasitized],
  ["U", wording.uninfected],
  ["S →", wording.skip],
  ["←", wording.back],
  ["Z", wording.undo],
  ["M", wording.mask],
  ["H", wording.hide],
  ["?", wording.helpTitle],
];

export function Help({ hasShortcuts, onClose }: { hasShortcuts: boolean; onClose(): void }) {
  return (
    <Dialog title={say(wording.helpTitle)} onClose={onClose}>
      {(close) => (
        <>
          <dl class="cell-keys">
            {HELP.map(([key, label]) => (
              <div key={key}>
                <dt>
                  <kbd>{key}</kbd>
                </dt>
                <dd>{say(label)}</dd>
              </div>
            ))}
          </dl>
          <p>{say(hasShortcuts ? wording.helpText : wording.shortcutsOff)}</p>
          <button type="button" class="button primary" autofocus onClick={close}>
            {say(wording.close)}
          </button>
        </>
      )}
    </Dialog>
  );
}
