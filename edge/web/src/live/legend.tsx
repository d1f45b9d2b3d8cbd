// What the boxes mean. The keys stand on the colour of a smear, as the boxes do.

import { common } from "../catalogue/common";
import { live } from "../catalogue/live";
import { say } from "../catalogue/phrase";

export function Legend({ hasCountedBefore }: { hasCountedBefore: boolean }) {
  return (
    <ul class="legend" aria-label={say(live.legend)}>
      <li>
        <svg viewBox="0 0 30 24" aria-hidden="true">
          <rect x="5" y="6" width="20" height="15" class="key-parasitized" />
          <path d="M15 1.5 19.5 6 15 10.5 10.5 6Z" class="key-marker" />
        </svg>
        {say(common.parasitized)}
      </li>
      <li>
        <svg viewBox="0 0 30 24" aria-hidden="true">
          <rect x="5" y="4" width="20" height="16" rx="6" class="key-uninfected" />
        </svg>
        {say(common.uninfected)}
      </li>
      <li>
        <svg viewBox="0 0 30 24" aria-hidden="true">
          <rect x="5" y="4" width="20" height="16" rx="2" class="key-other" />
        </svg>
        {say(live.notCounted)}
      </li>
      {hasCountedBefore && (
        <li>
          <svg viewBox="0 0 30 24" aria-hidden="true">
            <rect x="5" y="4" width="20" height="16" rx="6" class="key-before" />
          </svg>
          {say(live.countedBefore)}
        </li>
      )}
    </ul>
  );
}
