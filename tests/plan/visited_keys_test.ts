// Keys that attention visits, by formula, against a count over drawn documents.

import { assertAlmostEquals, assertEquals } from "@std/assert";
import { RandomStream } from "../../lib/base/random.ts";
import { drawNormal } from "../../lib/graph/samples.ts";
import { DOCUMENTS, mostVisitedKeys, visitedKeys } from "../../lib/plan/visited_keys.ts";

/** Keys visited a token, counted: tiles that hold a pair of a query and a key that it may see. */
function countVisited(window: number, T: number, sequences: number): number {
  const { meanTokens, logDeviation } = DOCUMENTS;
  const middle = Math.log(meanTokens) - logDeviation ** 2 / 2;
  // Half as many again as the sequences are long; the first sequence is left out, for it begins with a document.
  const documents = Math.ceil(1.5 * (sequences + 1) * T / meanTokens);
  const starts: number[] = [];
  for (const z of drawNormal(new RandomStream(7, T), documents, 1)) {
    const [start, length] = [starts.length, Math.max(1, Math.round(Math.exp(middle + logDeviation * z)))];
    for (let i = 0; i < length; i++) starts.push(start);
  }
  let tiles = 0;
  for (let first = T; first < (sequences + 1) * T; first += T) {
    for (let q0 = 0; q0 < T; q0 += 128) {
      let lowest = q0;
      for (let q = q0; q < q0 + 128; q++) {
        const document = (starts[first + q] ?? NaN) - first;
        lowest = Math.min(lowest, Math.max(0, document, q - window + 1));
      }
      tiles += Math.floor(q0 / 128) - Math.floor(lowest / 128) + 1;
    }
  }
  return 128 * tiles / (sequences * T / 128);
}

Deno.test("visited keys agree with a count over drawn documents", () => {
  // The count's own error: some 3,000 documents a case, of deviation 1.2 of their mean: 2 %.
  for (const window of [1, 128, 129, 1024, 1792]) {
    const counted = countVisited(window, 65536, 32);
    assertAlmostEquals(visitedKeys(window, 65536, DOCUMENTS), counted, 0.02 * counted, `window ${window}`);
  }
  const counted = countVisited(1024, 1024, 2048);
  assertAlmostEquals(visitedKeys(1024, 1024, DOCUMENTS), counted, 0.02 * counted, "sequences of 1,024");
});

Deno.test("visited keys at the record's window: 700, 1143 without documents, 1152 at most", () => {
  assertAlmostEquals(visitedKeys(1024, 65536, DOCUMENTS), 700, 0.5);
  // Nine tiles, but eight, seven ... fewer in the first eight of 512.
  assertEquals(visitedKeys(1024, 65536, undefined), 128 * (9 - 36 / 512));
  assertEquals(mostVisitedKeys(1024, 65536), 1152);
  assertEquals(mostVisitedKeys(1e9, 1024), 1024);
  assertEquals([visitedKeys(1, 64, DOCUMENTS), mostVisitedKeys(32, 64)], [128, 128]);
});
