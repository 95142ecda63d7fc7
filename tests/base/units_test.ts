// Numbers as people read them: every unit, the borders between them, and columns.

import { assertEquals } from "@std/assert";
import { formatBytes, formatCount, formatQuantity, formatTable } from "../../lib/base/units.ts";

Deno.test("formatCount() and formatQuantity() scale by thousands", () => {
  assertEquals([0, 999, 1000, 12345678, 3.1e12, 4.92e15].map(formatCount), [
    "0",
    "999",
    "1.00k",
    "12.3M",
    "3.10T",
    "4.92P",
  ]);
  assertEquals([12, 31.5e9].map((value) => formatQuantity(value, "B/s")), ["12 B/s", "31.5 GB/s"]);
});

Deno.test("formatBytes() scales by 1024 and always shows three digits", () => {
  const bytes = [0, 544, 1000, 1023 * 1024, 2_560_000_000, 5 * 2 ** 40, 5000 * 2 ** 40];
  assertEquals(bytes.map(formatBytes), [
    "0 B",
    "544 B",
    "0.977 KiB",
    "0.999 MiB",
    "2.38 GiB",
    "5.00 TiB",
    "5.00e+3 TiB",
  ]);
});

Deno.test("formatTable() lines columns up, the left ones at the left", () => {
  const rows = [["a", "bytes", "kind"], ["longer", "7", "x"]];
  assertEquals(formatTable(rows, [0, 2]), ["a       bytes  kind", "longer      7  x"]);
  assertEquals(formatTable([]), []);
});
