// Every op on the emulated GPU under 20 random schedules, with every memory access watched, at small sizes: values as they
// should be, the same bits as in order, no race, no read of unwritten memory. `make soak` runs 200 and the larger sizes.

import { assert, assertEquals } from "@std/assert";
import { KERNEL_OPS } from "../../lib/graph/ops.ts";
import { NO_CHECKED, openEmulated } from "./gpu_devices.ts";
import { kernelsOf, ScheduleCheck } from "./schedules.ts";

const SEEDS = Array.from({ length: 20 }, (_, i) => i + 1);
/** About what a hundredth of a second of watched emulation does. */
const MOST_WORK = 10_000;

for (const op of KERNEL_OPS) {
  Deno.test(`${op} is right and without a race under 20 schedules`, { ignore: NO_CHECKED }, () => {
    const device = openEmulated({ checked: true });
    try {
      const check = new ScheduleCheck(device, MOST_WORK);
      const kernels = kernelsOf(device.describe().isa, [op]);
      assertEquals(kernels.flatMap((kernel) => check.check(kernel, SEEDS)), []);
      assert(check.calls >= kernels.length * SEEDS.length, `${check.calls} calls`);
    } finally {
      device.close();
    }
  });
}
