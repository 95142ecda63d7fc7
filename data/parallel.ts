// Several pieces of work at once, never more than a given number; the first failure stops the others, and nothing is
// under way any more when it is told. Tries nothing again and cuts no work into pieces.
// Imports nothing.

/**
 * What `work` makes of each item, in the items' order; at most `most` at a time, begun in order. Each is handed a
 * signal that `signal`, or the failure of another, aborts; the first failure is thrown once all have ended.
 */
export async function mapInParallel<T, R>(
  items: readonly T[],
  most: number,
  signal: AbortSignal,
  work: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  const failure = new AbortController();
  const either = AbortSignal.any([signal, failure.signal]);
  const results: R[] = [];
  const rest = items.entries();
  const runner = async () => {
    for (const [i, item] of rest) {
      either.throwIfAborted();
      results[i] = await work(item, either);
    }
  };
  const runners = Array.from({ length: most }, () => runner().catch((error) => failure.abort(error)));
  await Promise.all(runners);
  failure.signal.throwIfAborted();
  return results;
}
