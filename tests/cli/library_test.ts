// The kernel library as a run finds it: absent, no library at all, of another ABI version, without a symbol, or asked
// for an instruction set that there is not. The program runs from a copy of its folder (links, but for build/), where
// libraries of a few lines made by g++ take the place of the real one.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { NANOGPT_ABI_VERSION, SYMBOLS } from "../../ffi/symbols.ts";
import { ROOT } from "./command.ts";
import { inRunFolder, mustRun, run, trainArgs } from "./small_run.ts";

/** Makes a shared object of some lines of C++, and of files of the project. */
async function build(path: string, lines: string, files: readonly string[] = []): Promise<void> {
  const source = `${path}.cpp`;
  await Deno.writeTextFile(source, lines);
  const args = ["-std=c++17", "-shared", "-fPIC", "-o", path, source, ...files];
  const { success, stderr } = await new Deno.Command("g++", { args }).output();
  assert(success, new TextDecoder().decode(stderr));
}

/** A folder from which the program starts with a build/ of its own; returns its main.ts. */
async function copyOfProgram(folder: string): Promise<string> {
  await Deno.mkdir(join(folder, "build"), { recursive: true });
  for (const name of ["lib", "ffi", "data", "node_modules", "deno.json", "deno.lock"]) {
    await Deno.symlink(join(ROOT, name), join(folder, name));
  }
  for (const name of ["main.ts", "worker.ts"]) await Deno.copyFile(join(ROOT, name), join(folder, name));
  return join(folder, "main.ts");
}

const version = (number: number) => `extern "C" unsigned nanogpt_abi_version() { return ${number}; }`;

/** Every function of the library, doing nothing, but for some; the version is apart. */
const allBut = (...lacking: string[]) =>
  Object.keys(SYMBOLS).filter((name) => name !== "nanogpt_abi_version" && !lacking.includes(name))
    .map((name) => `\nextern "C" int ${name}() { return 0; }`).join("");

/** What lies in the library's place, C++ or a text (neither: nothing), and what is said of it. */
interface LibraryCase {
  readonly lines?: string;
  readonly text?: string;
  readonly said: RegExp;
}

const LIBRARIES: Readonly<Record<string, LibraryCase>> = {
  absent: {
    said:
      /^Could not open the kernel library .*: .*No such file or directory.*; rebuild the kernels with `make kernels`$/,
  },
  "no library": {
    text: "not an ELF file",
    said: /^Could not open the kernel library .*; rebuild the kernels with `make kernels`$/,
  },
  "another version": {
    lines: version(NANOGPT_ABI_VERSION + 7),
    said: new RegExp(
      `^The kernel library .* has ABI version ${
        NANOGPT_ABI_VERSION + 7
      }, this program expects ${NANOGPT_ABI_VERSION}; rebuild the kernels with`,
    ),
  },
  "no version": {
    lines: "int nothing;",
    said: /^Could not open the kernel library .*nanogpt_abi_version.*; rebuild the kernels with/,
  },
  "a missing symbol": {
    lines: version(NANOGPT_ABI_VERSION) + allBut("nanogpt_mix_grad"),
    said: /^Could not open the kernel library .*undefined symbol: nanogpt_mix_grad; rebuild the kernels with/,
  },
};

/** A cuda library whose context does nothing but look for cuBLASLt, which its own loader never finds. */
const WITHOUT_CUBLASLT = `${version(NANOGPT_ABI_VERSION)}
#include <cstdio>
#include "${join(ROOT, "kernels/cuda/cublaslt.h")}"
#define OWN extern "C" __attribute__((visibility("hidden")))
OWN void* dlopen(const char*, int) { return nullptr; }
OWN char* dlerror() { static char text[] = "cannot open shared object file"; return text; }
extern "C" int nanogpt_open_cublaslt(unsigned long) { return nanogpt::cuda::open_cublaslt().library ? 0 : 3; }
extern "C" int nanogpt_last_error(unsigned long, char* out, unsigned capacity) {
  std::snprintf(out, capacity, "%s", nanogpt::cuda::open_cublaslt().why);
  return 0;
}${allBut("nanogpt_open_cublaslt", "nanogpt_last_error")}`;

const CUBLASLT_IS_MISSING =
  /^device\.gemm is "cublaslt": cuBLASLt was not found as libcublasLt\.so\.13, [^\n]+; install cuBLAS [^\n]+"builtin"\n$/;

/** What is said of a GPU device whose library has not been built. */
const GPU_LIBRARIES: Readonly<Record<string, RegExp>> = {
  cuda: /^This build has no CUDA kernels: `make cuda` builds them where nvcc is; or choose --device cpu\n$/,
  emulated: /^This build has no emulated device: `make emulated` builds it; or choose --device cpu\n$/,
};

Deno.test("A kernel library that does not fit is refused before anything is trained", (t) =>
  inRunFolder(async (folder) => {
    const program = join(folder, "program");
    const main = await copyOfProgram(program);
    const library = join(program, "build", "libnanogpt_cpu.so");
    for (const [name, { lines, text, said }] of Object.entries(LIBRARIES)) {
      await t.step(name, async () => {
        if (lines !== undefined) await build(library, lines);
        if (text !== undefined) await Deno.writeTextFile(library, text);
        const { code, stdout, stderr } = await run([...trainArgs(folder), "--out", join(folder, "run")], {
          main,
        });
        assertEquals([code, stdout], [2, ""], stderr);
        assertMatch(stderr.trimEnd(), said);
        assertEquals(stderr.trimEnd().split("\n").length, 1, "one message, no stack");
        if (text !== undefined || lines !== undefined) await Deno.remove(library);
      });
    }
    for (const [device, said] of Object.entries(GPU_LIBRARIES)) {
      await t.step(`${device}: absent, and of another version`, async () => {
        const args = [...trainArgs(folder), "--device", device, "--out", join(folder, "run")];
        const absent = await run(args, { main });
        assertEquals([absent.code, absent.stdout], [1, ""]);
        assertMatch(absent.stderr, said);
        const other = join(program, "build", `libnanogpt_${device}.so`);
        await build(other, version(NANOGPT_ABI_VERSION + 7));
        const { code, stderr } = await run(args, { main });
        assertEquals(code, 2);
        assertMatch(
          stderr,
          new RegExp(`ABI version \\d+, .*; rebuild the kernels with \`make ${device}\`\n$`),
        );
        await Deno.remove(other);
      });
    }
    await t.step("cuda: asked for cuBLASLt, which is not there", async () => {
      const other = join(program, "build", "libnanogpt_cuda.so");
      const sources = ["cublaslt_library", "shared_library"].map((name) =>
        join(ROOT, `kernels/cuda/${name}.cpp`)
      );
      await build(other, WITHOUT_CUBLASLT, sources);
      const gemm = ["--device", "cuda", "--set", "device.gemm=cublaslt"];
      const { code, stdout, stderr } = await run([
        ...trainArgs(folder),
        ...gemm,
        "--out",
        join(folder, "run"),
      ], {
        main,
      });
      assertEquals([code, stdout], [1, ""], stderr);
      assertMatch(stderr, CUBLASLT_IS_MISSING);
      await Deno.remove(other);
    });
    await t.step("the reference device needs none", async () => {
      const args = trainArgs(folder, { "schedule.steps": 1 });
      await mustRun([...args, "--device", "reference", "--out", join(folder, "run")], { main });
    });
  }));

Deno.test("NANOGPT_ISA: a name that there is not, and a set that this machine lacks", () =>
  inRunFolder(async (folder) => {
    const out = join(folder, "run");
    const args = [...trainArgs(folder), "--out", out];
    const unknown = await run(args, { env: { NANOGPT_ISA: "sse9" } });
    assertEquals(unknown, {
      code: 1,
      stdout: "",
      stderr:
        'NANOGPT_ISA is "sse9", expected one of auto, portable, avx2, avx512, avx512bf16, amx on the cpu device\n',
    });
    const { stdout } = await mustRun([...args, "--device", "cpu"], { env: { NANOGPT_ISA: "portable" } });
    assertMatch(stdout, /^Done/);
    assertMatch(
      (await mustRun(["train", "--resume", out], { env: { NANOGPT_ISA: "portable" } })).stderr,
      /: portable, /,
    );
    const info = (await mustRun(["info"])).stdout;
    const lacking = ["avx2", "avx512", "avx512bf16", "amx"].find((name) =>
      !new RegExp(`\\b${name}\\b`).test(info)
    );
    if (lacking === undefined) {
      console.log("Skipped: this machine has every instruction set");
      return;
    }
    const { code, stderr } = await run(["eval", out], { env: { NANOGPT_ISA: lacking } });
    assertEquals(code, 1);
    assertMatch(stderr, new RegExp(`^Could not start the cpu device: .*${lacking}.*\n$`));
  }));
