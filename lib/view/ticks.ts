// Where an axis is divided and how its values read: round numbers, powers of ten on a logarithmic axis, hours and
// minutes on one of time. The same for charts in the browser and for figures in files. Draws nothing. Imports lib/base
// only.

import { formatCount, formatDuration } from "../base/units.ts";

/** Steps of time that read well, in seconds, up to a day. */
const TIME_STEPS = [
  1,
  2,
  5,
  10,
  15,
  30,
  60,
  120,
  300,
  600,
  900,
  1800,
  3600,
  7200,
  14400,
  21600,
  43200,
  86400,
];

/** Round numbers within an axis, at most `most` of them, at least two where there is room. */
export function linearTicks(min: number, max: number, most: number): number[] {
  return multiples(min, max, roundStep((max - min) / most));
}

/** The same for seconds. */
export function timeTicks(min: number, max: number, most: number): number[] {
  const wanted = (max - min) / most;
  const step = wanted < 1 ? roundStep(wanted) : TIME_STEPS.find((seconds) => seconds >= wanted) ??
    86400 * roundStep(wanted / 86400);
  return multiples(min, max, step);
}

/** The same for a logarithmic axis of positive numbers: round parts of powers of ten, or of less than one, of it. */
export function logTicks(min: number, max: number, most: number): number[] {
  for (const parts of [[1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const ticks = powers(min, max).flatMap((power) =>
      parts.map((part) => Number((part * power).toPrecision(3)))
    )
      .filter((value) => value >= min && value <= max);
    if (ticks.length < 3) return linearTicks(min, max, most);
    if (ticks.length <= most) return ticks;
  }
  const whole = powers(min, max).filter((power) => power >= min && power <= max);
  const every = Math.ceil(whole.length / most);
  return whole.filter((_, i) => i % every === 0);
}

/** The smallest of 1, 2, 5 times a power of ten that is at least `wanted`. */
function roundStep(wanted: number): number {
  if (!(wanted > 0 && Number.isFinite(wanted))) return 1;
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((part) => part * power).find((step) => step >= wanted * (1 - 1e-9)) ?? 10 * power;
}

function multiples(min: number, max: number, step: number): number[] {
  const first = Math.ceil(min / step - 1e-9);
  const count = Math.max(0, Math.floor(max / step + 1e-9) - first + 1);
  return Array.from({ length: Math.min(count, 100) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

function powers(min: number, max: number): number[] {
  const [first, last] = [Math.floor(Math.log10(min)), Math.ceil(Math.log10(max))];
  return Array.from({ length: Math.min(last - first + 1, 600) }, (_, i) => 10 ** (first + i));
}

/** A value beside its tick: as short as it can be. */
export function formatTick(value: number): string {
  return Math.abs(value) >= 10_000 ? shortened(value) : String(Number(value.toPrecision(6)));
}

function shortened(value: number): string {
  const sign = value < 0 ? "-" : "";
  return sign + formatCount(Math.abs(value)).replace(/\.0+(?=\D|$)|(\.\d*?)0+(?=\D|$)/, "$1");
}

/** Seconds beside their tick. */
export function formatTimeTick(seconds: number): string {
  return Number.isInteger(seconds) ? formatDuration(seconds) : `${seconds} s`;
}
