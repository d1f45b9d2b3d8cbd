// How long the page waits before it tries the broker again.

const FIRST_MS = 1000;
const LONGEST_MS = 30_000;

/**
 * Twice as long each time, so that a broker that is starting isn't overrun; and scattered, so that
 * all the pages of a hospital don't come back in the same moment. `random`: 0 to 1.
 */
export function waitBefore(failures: number, random: number): number {
  const longest = Math.min(FIRST_MS * 2 ** Math.min(failures, 10), LONGEST_MS);
  return Math.round(longest * (0.5 + random / 2));
}
