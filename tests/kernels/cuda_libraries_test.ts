// What the cuda library says where NVIDIA's libraries are missing or too old: one whole line each, with what to install, that
// fits into the room that the ABI gives it. Builds cuda_libraries.cpp, whose loader finds nothing.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { NANOGPT_CREATE_ERROR_BYTES } from "../../ffi/symbols.ts";
import { ROOT } from "../cli/command.ts";

async function run(command: string, args: string[]): Promise<{ code: number; text: string }> {
  const { code, stdout, stderr } = await new Deno.Command(command, { args, cwd: ROOT }).output();
  return { code, text: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr) };
}

/** How each line begins and ends: driver, NCCL, cuBLASLt. */
const SAID: Readonly<Record<string, readonly RegExp[]>> = {
  missing: [
    /^there is no NVIDIA driver \(libcuda\.so\.1: .*\); install the driver .*, or choose --device cpu$/,
    /^Several GPUs need NCCL \(libnccl\.so\.2 or libnccl\.so\), which was not found: .*; install it \(Debian: libnccl2\)$/,
    /^cuBLASLt was not found as libcublasLt\.so\.13, libcublasLt\.so\.12 or libcublasLt\.so \(.*\); install .*, or set device\.gemm to "builtin"$/,
  ],
  empty: [
    /^NVIDIA's driver \(libcuda\.so\.1\) lacks cuInit: .*; install driver 525 or later$/,
    /^NCCL lacks ncclGetVersion: install NCCL 2\.18 or later \(Debian: libnccl2\)$/,
    /^libcublasLt\.so\.13 lacks cublasLtGetVersion: .* of CUDA 12 or 13 is needed; or set device\.gemm to "builtin"$/,
  ],
};

Deno.test("NVIDIA's libraries missing or lacking a function: a whole line of what to install", async (t) => {
  const folder = await Deno.makeTempDir();
  try {
    const program = join(folder, "cuda_libraries");
    const names = ["driver_library", "nccl_library", "cublaslt_library", "shared_library"];
    const sources = [
      "tests/kernels/cuda_libraries.cpp",
      ...names.map((name) => `kernels/cuda/${name}.cpp`),
    ];
    const built = await run("g++", ["-std=c++17", "-Wall", "-Wextra", "-Werror", ...sources, "-o", program]);
    assertEquals(built.code, 0, built.text);
    for (const [how, said] of Object.entries(SAID)) {
      await t.step(how, async () => {
        const { code, text } = await run(program, [how]);
        const lines = text.trimEnd().split("\n");
        assertEquals([code, lines.length], [0, said.length], text);
        lines.forEach((line, i) => {
          assertMatch(line, said[i] ?? /^$/);
          assert(new TextEncoder().encode(line).length < NANOGPT_CREATE_ERROR_BYTES, line);
        });
      });
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
