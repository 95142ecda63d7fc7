// The nearest known name to a misspelt one, for error messages. Suggests nothing rather than something far-fetched,
// and never puts its suggestion in place of what was given: that stays an error. Importable by all; imports @std/text
// only.

import { levenshteinDistance } from "@std/text";

/** The name in `known` that is most like `given`, or undefined when none is near (more than half of it differs). */
export function nearest(given: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let fewestEdits = Infinity;
  for (const name of known) {
    const edits = levenshteinDistance(given.toLowerCase(), name.toLowerCase());
    if (edits < fewestEdits) [best, fewestEdits] = [name, edits];
  }
  return best !== undefined && fewestEdits <= Math.max(given.length, best.length) / 2 ? best : undefined;
}

/** `, did you mean "name"?` for the nearest known name, or nothing; to be put after "unknown ..." in a message. */
export function didYouMean(given: string, known: Iterable<string>): string {
  const name = nearest(given, known);
  return name === undefined ? "" : `, did you mean "${name}"?`;
}
