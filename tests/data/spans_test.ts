// Spans against a plain list of flags, one a byte, over many random additions.

import { assertEquals } from "@std/assert";
import { addSpan, lengthOf, missingSpans, type Span } from "../../data/spans.ts";
import { randomBelow, range } from "./helpers.ts";

const SIZE = 60;

Deno.test("addSpan(), lengthOf() and missingSpans() agree with flags for each byte", () => {
  const below = randomBelow(7);
  for (let round = 0; round < 200; round++) {
    let spans: Span[] = [];
    const flags = Array<boolean>(SIZE).fill(false);
    for (let additions = below(12); additions > 0; additions--) {
      const start = below(SIZE);
      const end = start + 1 + below(SIZE - start);
      spans = addSpan(spans, { start, end });
      flags.fill(true, start, end);
    }
    assertEquals(lengthOf(spans), flags.filter(Boolean).length);
    const apart = spans.every(({ start }, i) => i === 0 || start > (spans[i - 1]?.end ?? 0));
    assertEquals(apart, true, "sorted, and merged where they touch");
    const most = 1 + below(9);
    const missing = missingSpans(spans, SIZE, most);
    assertEquals(
      missing.flatMap(({ start, end }) => range(start, end - start)),
      range(0, SIZE).filter((i) => !flags[i]),
    );
    assertEquals(missing.every(({ start, end }) => end > start && end - start <= most), true);
  }
});
