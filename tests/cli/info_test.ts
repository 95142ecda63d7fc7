// nanogpt info as a user drives it: facts and checks as text and as JSON, exit code 0 where training could run, 1 where
// something blocks it; nothing is left in the folder it runs in.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { NANOGPT_ABI_VERSION } from "../../ffi/symbols.ts";
import { isThere } from "../../lib/base/files.ts";
import { VERSION } from "../../lib/base/version.ts";
import { inFolder } from "../data/helpers.ts";
import { nanogpt } from "./command.ts";

Deno.test("nanogpt info --json holds every fact, and the checks decide the exit code", () =>
  inFolder(async (folder) => {
    const { code, stdout, stderr } = await nanogpt(["info", "--json"], { cwd: folder });
    const found = JSON.parse(stdout);
    assertEquals([code, stderr, found.canTrain], [0, "", true]);
    assertEquals([found.version, found.deno], [VERSION, Deno.version.deno]);
    assertEquals(found.kernels.abi, NANOGPT_ABI_VERSION);
    assert(found.kernels.available.includes(found.kernels.isa));
    for (const kind of ["cuda", "emulated"]) {
      const { library, abi, why } = found.gpuKernels[kind];
      assertEquals([abi ?? NANOGPT_ABI_VERSION, why ?? ""], [
        NANOGPT_ABI_VERSION,
        isThere(library) ? "" : `not built (make ${kind})`,
      ]);
    }
    assert(found.system.memory.total >= found.system.memory.usable);
    assertEquals(found.disks.map((disk: { folder: string; for: string[] }) => [disk.folder, disk.for]), [
      [folder, ["runs", "data"]],
    ]);
    const [disk] = found.disks;
    assert(disk.speed === null ? disk.why !== null : disk.speed.writeBytesPerSecond > 0);
    assertEquals(found.checks.map(({ name }: { name: string }) => name), [
      "kernels",
      "corpus",
      "memory",
      "run folder",
      "huge pages",
      "threads",
      "open files",
    ]);
    assertEquals([...Deno.readDirSync(folder)], [], "the file that timed the disk is gone");
  }));

Deno.test("nanogpt info as text; what blocks training has a fix, and exit code 1", () =>
  inFolder(async (folder) => {
    const { code, stdout } = await nanogpt(["info"], { cwd: folder, env: { NANOGPT_ISA: "sse9" } });
    assertEquals(code, 1);
    for (
      const line of [
        new RegExp(`^nanogpt +${VERSION.replaceAll(".", "\\.")}, commit `, "m"),
        /^processor +\S/m,
        /^cores +\d+, this process may use [\d,-]+; /m,
        /^memory +[\d.]+ [GTM]iB, .* available; .*; a run may take /m,
        /^huge pages +transparent: /m,
        /^kernels +NANOGPT_ISA is "sse9", expected one of auto, portable, /m,
        /^cuda +\S/m,
        /^emulated +\S/m,
        /^disk +\/.* \(runs and data\): .* free; (wrote .* with fsync at .*B\/s, read back, mostly from the cache|not)/m,
        /^gpu +\S/m,
        /^ +NCCL: \S/m,
        /^blocked +kernels: NANOGPT_ISA is "sse9", .*\n +fix: unset NANOGPT_ISA; /m,
        /^ok +corpus: made$/m,
        /\n\nnanogpt train cannot run here yet\n$/,
      ]
    ) assertMatch(stdout, line);
  }));
