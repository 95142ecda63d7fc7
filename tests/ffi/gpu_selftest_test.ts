// The self-test of a GPU's instructions, run on the emulated one: it must find nothing there, and say something of every
// instruction.

import { assert, assertEquals } from "@std/assert";
import { NO_EMULATED, openEmulated } from "./gpu_devices.ts";

Deno.test({
  name: "selfTest() passes every instruction of the emulated GPU",
  ignore: NO_EMULATED,
  fn() {
    const device = openEmulated();
    try {
      const lines = device.selfTest() ?? [];
      assertEquals(lines.filter((line) => !line.startsWith("PASS ")), []);
      for (const word of ["ldmatrix", "stmatrix", "mma.sync", "cp.async", "mbarrier", "multicast", "wgmma"]) {
        assert(
          lines.some((line) => line.includes(word)),
          `expected a line of ${word}, found ${lines.join("; ")}`,
        );
      }
    } finally {
      device.close();
    }
  },
});
