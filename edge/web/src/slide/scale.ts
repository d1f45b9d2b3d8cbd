// Scales with round numbers, for the band of the figure and for its course.

export interface Scale {
  /** The value at the far end. */
  top: number;
  ticks: number[];
  /** Decimals that tell the ticks apart. */
  decimals: number;
}

const STEPS = [1, 2, 2.5, 5, 10];

/** As few as tell a step as it is. */
function decimalsOf(step: number): number {
  let decimals = 0;
  while (decimals < 9 && Math.abs(step - Number(step.toFixed(decimals))) > step * 1e-6) {
    decimals += 1;
  }
  return decimals;
}

/** From 0 to at least `value`, in about `wanted` steps of 1, 2, 2.5 or 5 times a power of ten. */
export function scaleFor(value: number, wanted = 5): Scale {
  const rough = Math.max(value, 1e-6) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = (STEPS.find((s) => s * power >= rough * 0.999_999) ?? 10) * power;
  const decimals = decimalsOf(step);
  const steps = Math.ceil(value / step - 1e-9) || 1;
  const ticks = Array.from({ length: steps + 1 }, (_, i) => Number((i * step).toFixed(decimals)));
  return { top: ticks.at(-1)!, ticks, decimals };
}
