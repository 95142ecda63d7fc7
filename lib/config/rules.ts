// How keys of a configuration depend on each other: one row a rule. A rule is asked only when all its keys are right on
// their own, so that one mistake makes one complaint. Imports nothing; limits of single keys are in schema.ts.

/** One dependency between keys. The first key is the one that a broken rule is reported for. */
interface Rule {
  readonly keys: readonly [string, string];
  readonly holds: (first: number, second: number) => boolean;
  /** Completes "expected ...", given the second key's value. */
  readonly expected: (second: number) => string;
}

/** A broken rule: the key it is reported for and what was expected there. */
export interface BrokenRule {
  readonly path: string;
  readonly expected: string;
}

/** The widest head that the attention kernels take (kernels/abi.h). */
const WIDEST_HEAD = 256;

/** Kernels count the rows of a microbatch in 32 bits. */
const MOST_MICROBATCH_TOKENS = 2 ** 31 - 1;

const RULES: readonly Rule[] = [
  {
    keys: ["model.dim", "model.heads"],
    holds: (dim, heads) => dim % heads === 0,
    expected: (heads) => `a multiple of model.heads (${heads})`,
  },
  {
    keys: ["model.dim", "model.heads"],
    holds: (dim, heads) => dim % heads !== 0 || (dim / heads) % 2 === 0,
    expected: (heads) => `an even head width: dim / heads, with model.heads ${heads}, a multiple of 2`,
  },
  {
    keys: ["model.heads", "model.dim"],
    holds: (heads, dim) => dim / heads <= WIDEST_HEAD,
    expected: (dim) =>
      `heads at most ${WIDEST_HEAD} wide: at least ${Math.ceil(dim / WIDEST_HEAD)} with model.dim ${dim}`,
  },
  {
    keys: ["model.eos", "model.vocab"],
    holds: (eos, vocab) => eos < vocab,
    expected: (vocab) => `a token below model.vocab (${vocab})`,
  },
  {
    keys: ["data.batchSequences", "data.deviceBatchSequences"],
    holds: (batch, device) => batch % device === 0,
    expected: (device) => `a multiple of data.deviceBatchSequences (${device})`,
  },
  {
    keys: ["data.valTokens", "data.sequenceLength"],
    holds: (tokens, length) => tokens % length === 0,
    expected: (length) => `a multiple of data.sequenceLength (${length})`,
  },
  {
    keys: ["data.deviceBatchSequences", "data.sequenceLength"],
    holds: (sequences, length) => sequences * length <= MOST_MICROBATCH_TOKENS,
    expected: (length) =>
      `at most ${MOST_MICROBATCH_TOKENS} tokens in a microbatch, of sequences of ${length}`,
  },
];

/** The rules that are broken; `valueOf` gives a key's value, undefined where that key is wrong on its own. */
export function brokenRules(valueOf: (path: string) => unknown): BrokenRule[] {
  return RULES.flatMap(({ keys, holds, expected }) => {
    const [first, second] = [valueOf(keys[0]), valueOf(keys[1])];
    if (typeof first !== "number" || typeof second !== "number" || holds(first, second)) return [];
    return [{ path: keys[0], expected: expected(second) }];
  });
}
