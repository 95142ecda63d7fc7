// NANOGPT_EMULATION: how the emulated device runs its kernels, for finding faults in them: `fast` (the default) or `checked`
// (every memory access watched), then after colons a seed of the schedule and the number of processors. Refuses anything
// else. May import lib/base.

import { UserError } from "../base/errors.ts";

/** How to emulate. */
export interface Emulation {
  /** Whether races and reads of unwritten memory are looked for; much slower. */
  readonly checked: boolean;
  /** 0: blocks and threads in order; any other: a random legal order drawn from it. Undefined: as the library does it. */
  readonly seed: number | undefined;
  /** Blocks that run at the same time, 1 to 132; undefined: as the library does it. */
  readonly processors: number | undefined;
}

/** The numbers of kernels/abi.h: nanogpt_schedule. */
const MOST_SEED = 4294967295, MOST_PROCESSORS = 132;

/** What the variable says; the fast emulation where it is not set. */
export function parseEmulation(text = "fast"): Emulation {
  const [, mode, seed, processors] = /^(fast|checked)(?::(\d{1,10})(?::(\d{1,3}))?)?$/.exec(text) ?? [];
  const found = { checked: mode === "checked", seed: numberOf(seed), processors: numberOf(processors) };
  const isProcessors = found.processors === undefined ||
    (found.processors >= 1 && found.processors <= MOST_PROCESSORS);
  if (mode !== undefined && (found.seed ?? 0) <= MOST_SEED && isProcessors) return found;
  throw new UserError(
    `NANOGPT_EMULATION is "${text}", expected fast or checked, and if need be a seed and a number of processors up to ` +
      `${MOST_PROCESSORS}, as in checked:17 or checked:17:7`,
  );
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}
