// How many keys attention visits for a token: it works in tiles of 128 queries by 128 keys and skips those outside
// window or document, so the number depends on how long documents are, which no plan knows. Assumes lengths, reads no
// data. Imports nothing.

/** Queries and keys of an attention tile. */
const TILE = 128;

/** Log-normal lengths of documents: their mean in tokens and the deviation of their logarithm. */
export interface Documents {
  readonly meanTokens: number;
  readonly logDeviation: number;
}

/**
 * FineWeb10B's mean in GPT-2 tokens, and the deviation for which window 1024 in sequences of 65,536 tokens visits 700
 * keys a token, what a simulation of such documents had found.
 */
export const DOCUMENTS: Documents = { meanTokens: 689, logDeviation: 0.946 };

/** Most keys a token can visit: no document ends in its tile's window, nor does the sequence begin there. */
export function mostVisitedKeys(window: number, T: number): number {
  return TILE * Math.min(1 + tilesBack(window), Math.ceil(T / TILE));
}

/**
 * Mean keys a token visits in a sequence of `T` tokens of such documents; undefined: the sequence is one document. The tile of queries q .. q + 127 visits its
 * own tile of keys and the ceil(a / 128) before it, a = min(tokens of q's document before q, window - 1, q). So tile k
 * back is visited where all three exceed 128 k; q is as likely to be any multiple of 128 below T, and to lie anywhere
 * in a document: P(more than x tokens before it) = E[max(0, length - x)] / E[length].
 */
export function visitedKeys(window: number, T: number, documents: Documents | undefined): number {
  const blocks = Math.ceil(T / TILE);
  let tiles = 1;
  for (let back = 0; back < Math.min(tilesBack(window), blocks - 1); back++) {
    const reached = documents ? shareBeyond(TILE * back, documents) : 1;
    if (reached < NEGLIGIBLE) break;
    tiles += reached * (blocks - 1 - back) / blocks;
  }
  return TILE * tiles;
}

const NEGLIGIBLE = 1e-6;

/** Key tiles before the query's own that a window can reach. */
function tilesBack(window: number): number {
  return Math.ceil((window - 1) / TILE);
}

/** E[max(0, length - x)] / E[length], the integral over the normal logarithm by sums. */
function shareBeyond(x: number, { meanTokens, logDeviation }: Documents): number {
  const step = 0.01;
  const middle = Math.log(meanTokens) - logDeviation ** 2 / 2;
  let sum = 0;
  for (let i = -800; i <= 800; i++) {
    const z = i * step;
    const length = Math.exp(middle + logDeviation * z);
    sum += Math.exp(-z * z / 2) * Math.max(0, length - x);
  }
  return sum * step / Math.sqrt(2 * Math.PI) / meanTokens;
}
