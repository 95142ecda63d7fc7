// Charts of characters: shape, size, both character sets, points at the edge, nothing to draw.

import { assert, assertEquals, assertThrows } from "@std/assert";
import { textChart } from "../../lib/view/text_chart.ts";

const range = (length: number) => Array.from({ length }, (_, i) => i);

Deno.test("textChart() draws a curve and marks in plain ASCII, with scales", () => {
  const curve = { x: range(9), y: range(9).map((x) => 8 - x), mark: undefined };
  const marks = { x: [0, 8], y: [0, 8], mark: "o" };
  assertEquals(textChart([curve, marks], { width: 26, height: 7, unicode: false }), [
    "  8.000|.                o",
    "       | ....",
    "  4.000|     .....",
    "       |          ....",
    "  0.000|o             ....",
    "       +------------------",
    "        0        4       8",
  ]);
});

Deno.test("textChart() draws with eight dots a character where it may", () => {
  const lines = textChart([{ x: [0, 1], y: [0, 1], mark: undefined }], {
    width: 20,
    height: 4,
    unicode: true,
  });
  assertEquals(lines.slice(0, 2), ["  1.000|      ⣀⡠⠤⠔⠒⠉", "  0.000|⣀⠤⠔⠒⠊⠉"]);
});

Deno.test("textChart() keeps to its size, passes over what is not finite and lets the first fall run along the edge", () => {
  const x = range(1000);
  const y = x.map((at) => at < 20 ? 1000 : at % 7 === 0 ? NaN : 3 + Math.sin(at / 50));
  for (const [width, height] of [[80, 24], [20, 4], [133, 50]] as const) {
    for (const unicode of [false, true]) {
      const lines = textChart([{ x, y, mark: undefined }], { width, height, unicode });
      assertEquals(lines.length, height);
      assert(lines.every((line) => line.length <= width), lines.join("\n"));
      assertEquals([lines[0]?.slice(0, 7), lines[height - 3]?.slice(0, 7)], ["  4.000", "  2.000"]);
    }
  }
});

Deno.test("textChart() shows a single point, and nothing where there is none", () => {
  const size = { width: 20, height: 6, unicode: false };
  const single = textChart([{ x: [5], y: [2], mark: "o" }], size);
  assertEquals(single.filter((line) => line.includes("o")).length, 1);
  assertEquals(textChart([{ x: [1, 2], y: [NaN, NaN], mark: undefined }], size), ["", "", "", "", "", ""]);
  assertThrows(() => textChart([], { ...size, width: 19 }), RangeError);
});

Deno.test("textChart() paints each series by itself", () => {
  const lines = textChart(
    [{ x: [0, 9], y: [1, 1], mark: undefined }, { x: [9], y: [2], mark: "o" }],
    { width: 20, height: 4, unicode: false, paint: (text, series) => `<${series}${text}>` },
  );
  assertEquals(lines.slice(0, 2), [`  2.000|${" ".repeat(11)}<1o>`, `  1.000|${"<0.>".repeat(12)}`]);
});
