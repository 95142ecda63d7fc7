// Text from outside that must not disturb a terminal.

import { assertEquals } from "@std/assert";
import { printable, printableLine } from "../../lib/base/printable.ts";

Deno.test("printable() takes away what moves the cursor or turns writing around, and nothing else", () => {
  const dot = "\u00b7";
  assertEquals(
    printable("a\x1b[2J\x07\r\x7f\u009b31m\u0000b"),
    `a${dot}[2J${dot}${dot}${dot}${dot}31m${dot}b`,
  );
  for (const mark of "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c") {
    assertEquals(printable(`x${mark}y`), `x${dot}y`, mark.codePointAt(0)?.toString(16));
  }
  const harmless = "h\u00e9llo \u05d0\u05d1 \u4e2d\u6587 \u{1f469}\u200d\u{1f4bb}\n\tend \ud800";
  assertEquals(printable(harmless), harmless);
  assertEquals(printableLine("a\nb\tc\u2028d\u202ee"), `a${dot}b${dot}c${dot}d${dot}e`);
});
