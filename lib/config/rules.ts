// How keys of a configuration depend on each other: one row a rule. A rule is asked only when all its keys are right
// on their own, so that one mistake makes one complaint. Throws nothing and changes no value; limits of single keys
// are in schema.ts. Imports nothing.

/** One dependency between keys. The first key is the one that a broken rule is reported for. */
interface Rule {
  readonly keys: readonly string[];
  /** Given the values of the keys, in their order. */
  readonly holds: (...values: number[]) => boolean;
  /** Completes "expected ...", given the values of the keys but the first. */
  readonly expected: (...others: number[]) => string;
}

/** A broken rule: the key it is reported for and what was expected there. */
export interface BrokenRule {
  readonly path: string;
  readonly expected: string;
}

/** The widest head that the attention kernels take (kernels/abi.h). */
const WIDEST_HEAD = 256;

/** Rows of a microbatch and of the vocabulary together that the embedding's gradient takes (kernels/abi.h). */
const MOST_EMBED_ROWS = 6291456;

/** Kernels count the elements of a tensor in 32 bits. */
const MOST_ELEMENTS = 2 ** 32 - 1;

/** Tokens of a microbatch: the widest activation, inside the MLP, has 4 * dim values a token. */
function mostMicrobatchTokens(vocab: number, dim: number): number {
  return Math.min(MOST_EMBED_ROWS - vocab, Math.floor(MOST_ELEMENTS / (4 * dim)));
}

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
    keys: ["data.deviceBatchSequences", "data.sequenceLength", "model.vocab", "model.dim"],
    holds: (sequences, length, vocab, dim) => sequences * length <= mostMicrobatchTokens(vocab, dim),
    expected: (length, vocab, dim) =>
      `at most ${
        mostMicrobatchTokens(vocab, dim)
      } tokens in a microbatch (what kernels can count with model.vocab ` +
      `${vocab} and model.dim ${dim}), of sequences of ${length}`,
  },
];

/** The rules that are broken; `valueOf` gives a key's value, undefined where that key is wrong on its own. */
export function brokenRules(valueOf: (path: string) => unknown): BrokenRule[] {
  return RULES.flatMap(({ keys, holds, expected }) => {
    const values = keys.map(valueOf).filter((value) => typeof value === "number");
    if (values.length < keys.length || holds(...values)) return [];
    return [{ path: keys[0] ?? "", expected: expected(...values.slice(1)) }];
  });
}
