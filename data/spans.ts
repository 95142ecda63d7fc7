// Spans of a file's bytes: which have arrived, which are still missing. Plain arithmetic on sorted lists; opens no file
// and makes no request. Refuses nothing: callers keep spans within the file.
// Imports nothing.

/** The bytes from `start` up to, not including, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** `spans` (sorted, apart from each other) with one more, merged with those it touches. */
export function addSpan(spans: readonly Span[], added: Span): Span[] {
  const before = spans.filter(({ end }) => end < added.start);
  const after = spans.filter(({ start }) => start > added.end);
  const touched = spans.slice(before.length, spans.length - after.length);
  const merged = {
    start: Math.min(added.start, ...touched.map(({ start }) => start)),
    end: Math.max(added.end, ...touched.map(({ end }) => end)),
  };
  return [...before, merged, ...after];
}

/** How many bytes the spans hold. */
export function lengthOf(spans: readonly Span[]): number {
  return spans.reduce((sum, { start, end }) => sum + end - start, 0);
}

/** What `spans` leave out of `size` bytes, cut into pieces of at most `most` bytes, from the start on. */
export function missingSpans(spans: readonly Span[], size: number, most: number): Span[] {
  const starts = [0, ...spans.map(({ end }) => end)];
  const ends = [...spans.map(({ start }) => start), size];
  return starts.flatMap((start, i) => {
    const end = ends[i] ?? size;
    const pieces = Math.ceil((end - start) / most);
    return Array.from({ length: pieces }, (_, k) => ({
      start: start + k * most,
      end: Math.min(end, start + (k + 1) * most),
    }));
  });
}
