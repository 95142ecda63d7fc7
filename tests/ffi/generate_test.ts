// What restates kernels/abi.h is current, and the generator refuses a header that it does not understand.

import { assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { InternalError } from "../../lib/base/errors.ts";
import { generate, parseHeader } from "../../ffi/generate.ts";
import { ROOT } from "../cli/command.ts";

Deno.test("generated files are current", () => {
  const files = generate(Deno.readTextFileSync(join(ROOT, "kernels", "abi.h")));
  const stale = [...files].filter(([path, text]) => Deno.readTextFileSync(join(ROOT, path)) !== text);
  assertEquals(stale.map(([path]) => path), [], "run `deno task symbols`");
});

Deno.test("parseHeader() reads constants and prototypes in order", () => {
  const header = parseHeader(
    "#define NANOGPT_ONE 1 // the first\n// text\nint32_t nanogpt_f(uint64_t y, double x);\n",
  );
  assertEquals(header.constants, [{ name: "NANOGPT_ONE", value: 1, comment: "the first" }]);
  const parameters = [{ type: "uint64_t", name: "y" }, { type: "double", name: "x" }];
  assertEquals(header.functions, [{ result: "int32_t", name: "f", parameters }]);
});

Deno.test("parseHeader() refuses unknown types, pointers and split prototypes", () => {
  assertThrows(() => parseHeader("int32_t nanogpt_f(float x);"), InternalError, "float x");
  assertThrows(() => parseHeader("int32_t nanogpt_f(const char *x);"), InternalError, "char");
  assertThrows(() => parseHeader("float nanogpt_f(void);"), InternalError, "float");
  assertThrows(() => parseHeader("int32_t nanogpt_f(uint64_t x,"), InternalError, "on one line");
});
