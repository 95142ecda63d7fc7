// The gate over the CUDA kernels' compile-time facts: what it reads from ptxas, and everything it must refuse. The facts
// themselves are checked by `make cuda-facts`, where nvcc is.

import { assertEquals, assertThrows } from "@std/assert";
import { UserError } from "../../lib/base/errors.ts";
import {
  differences,
  type Facts,
  forbidden,
  formatFacts,
  parseFacts,
  parseLog,
} from "../../tools/cuda/facts.ts";

/** As ptxas 13.0 writes it. */
const LOG = [
  "ptxas info    : 0 bytes gmem",
  "ptxas info    : Compiling entry function 'gemm' for 'sm_90a'",
  "ptxas info    : Function properties for gemm",
  "    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads",
  "ptxas info    : Used 168 registers, used 9 barriers, 1024 bytes smem",
  "ptxas info    : Compile time = 1.801 ms",
  "ptxas info    : Compiling entry function 'fill' for 'sm_90a'",
  "ptxas info    : Function properties for fill",
  "    512 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads",
  "ptxas info    : Used 10 registers, used 0 barriers",
].join("\n");

const GEMM: Facts = {
  kernel: "gemm",
  chip: "sm_90a",
  registers: 168,
  barriers: 9,
  shared: 1024,
  stack: 0,
  spills: 0,
};
const FILL: Facts = {
  ...GEMM,
  kernel: "fill",
  registers: 10,
  barriers: 0,
  shared: 0,
  stack: 512,
  spills: 16,
};

Deno.test("parseLog() reads registers, barriers, shared memory, stack and spills of every kernel", () => {
  assertEquals(parseLog(LOG), { facts: [GEMM, FILL], warnings: [] });
  assertThrows(() => parseLog(LOG.split("\n").slice(0, -1).join("\n")), UserError, "ends within kernel fill");
  assertThrows(() => parseLog("ptxas info    : Used 10 registers"), UserError, "Cannot read");
});

Deno.test("spills, stack frames and warnings are forbidden, each named", () => {
  const warning =
    "ptxas info    : (C7510) Potential Performance Loss: wgmma.mma_async instructions are serialized";
  assertEquals(forbidden(parseLog(`${LOG}\n${warning}`)), [
    "fill for sm_90a spills 16 bytes",
    "fill for sm_90a has a stack frame of 512 bytes",
    `ptxas warns: ${warning}`,
  ]);
  assertEquals(forbidden({ facts: [GEMM], warnings: [] }), []);
});

Deno.test("a fact that changed, a new kernel and one that is gone are differences", () => {
  assertEquals(differences([GEMM], [GEMM]), []);
  assertEquals(differences([{ ...GEMM, registers: 170 }], [GEMM]), [
    "gemm for sm_90a: registers 170, the table says 168",
  ]);
  assertEquals(differences([GEMM, FILL], [GEMM]), ["fill for sm_90a is not in the table"]);
  assertEquals(differences([GEMM], [GEMM, FILL]), ["fill for sm_90a is in the table and no more"]);
  // The same kernel for another chip is another entry.
  assertEquals(differences([{ ...GEMM, chip: "sm_80" }], [GEMM]).length, 2);
});

Deno.test("the table's text gives back what it was made of, sorted, and refuses other lines", () => {
  const text = formatFacts("13.0.88", [GEMM, FILL]);
  assertEquals(parseFacts(text), { compiler: "13.0.88", facts: [FILL, GEMM] });
  assertThrows(() => parseFacts(`${text}gemm sm_90a many 1 2 3 4\n`), UserError, "gemm sm_90a many");
  assertThrows(() => parseFacts(`${text}gemm sm_90a 1 2 3 4\n`), UserError, "a line that is none");
});
