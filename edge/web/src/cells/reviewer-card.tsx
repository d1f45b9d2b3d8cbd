// Who decides, and whether single keys do.

import { say } from "../catalogue/phrase";
import { review as wording } from "../catalogue/review";
import { shorten, type Settings } from "./settings";

export function ReviewerCard({ settings, onSettings }: { settings: Settings; onSettings(settings: Settings): void }) {
  return (
    <section class="card cell-settings" aria-labelledby="reviewer-title">
      <h2 id="reviewer-title">{say(wording.settings)}</h2>
      <label>
        <span>{say(wording.name)}</span>
        <input
          name="reviewer"
          value={settings.name}
          autocomplete="name"
          aria-describedby="reviewer-hint"
          onInput={(event) => onSettings({ ...settings, name: shorten(event.currentTarget.value) })}
        />
      </label>
      <p id="reviewer-hint" class="quiet">
        {say(wording.nameHint)}
      </p>
      <label class="cell-check">
        <input
          type="checkbox"
          checked={settings.shortcuts}
          onChange={(event) => onSettings({ ...settings, shortcuts: event.currentTarget.checked })}
        />
        <span>{say(wording.shortcuts)}</span>
      </label>
    </section>
  );
}
