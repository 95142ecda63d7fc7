// Attention on wgmma over a sequence many times as long as the window, of whose tiles most are never visited: the values and
// gradients of the CPU's float32 kernels. `make soak` does so at the record's 65,536 tokens.

import { assertEquals } from "@std/assert";
import { at } from "../../lib/graph/node.ts";
import { cpuSets, openSet } from "./cpu_sets.ts";
import { NO_EMULATED, openEmulated } from "./gpu_devices.ts";
import { checkLongAttention } from "./long_attention.ts";

const SETS = cpuSets().filter(({ simulated }) => !simulated);

Deno.test("attention over 4,096 tokens in the forms on wgmma is the CPU's, there and back", {
  ignore: NO_EMULATED || SETS.length === 0,
}, () => {
  const emulated = openEmulated(), cpu = openSet(at(SETS, SETS.length - 1), 2);
  try {
    const outcomes = checkLongAttention(emulated, cpu, 4096);
    assertEquals(outcomes.flatMap(({ problems }) => problems), []);
  } finally {
    emulated.close();
    cpu.close();
  }
});
