// Bounds of the vector arithmetic (kernels/cpu/simd.h, approx.h): builds simd_test.cpp for each vector width and runs
// it; it goes through the range of float32 and fails where an error exceeds what the headers state. Sixteen lanes are
// lowered to AVX2.

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ROOT } from "../cli/command.ts";

const WIDTHS = [
  { lanes: 4, flags: [] },
  { lanes: 8, flags: ["-mavx2", "-mfma"] },
  { lanes: 16, flags: ["-mavx2", "-mfma"] },
];
const FLAGS = ["-std=c++17", "-O3", "-fno-math-errno", "-Wall", "-Wextra", "-Werror", "-Wno-psabi"];

async function run(command: string, args: string[]): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd: ROOT }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

const hasAvx2 = Deno.build.arch === "x86_64" && Deno.readTextFileSync("/proc/cpuinfo").includes(" avx2 ");

for (const { lanes, flags } of WIDTHS) {
  const ignore = flags.length > 0 && !hasAvx2;
  if (ignore) console.log(`simd with ${lanes} lanes is skipped: this processor has no AVX2`);
  Deno.test({
    name: `simd.h and approx.h keep their stated bounds with ${lanes} lanes`,
    ignore,
    async fn() {
      const folder = await Deno.makeTempDir();
      try {
        const program = join(folder, "simd_test");
        const defines = ["-DNANOGPT_ISA_NAMESPACE=test", `-DNANOGPT_VECTOR_FLOATS=${lanes}`];
        const source = join(ROOT, "tests/kernels/simd_test.cpp");
        const built = await run("g++", [...FLAGS, ...defines, ...flags, source, "-o", program]);
        assertEquals(built.code, 0, built.text);
        const found = await run(program, []);
        assertEquals(found.code, 0, found.text);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}
