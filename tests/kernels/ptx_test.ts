// What is inside the wrappers' asm, which the emulation never runs: compiles ptx_wrappers.cu, where each operand of a call
// has a number of its own, and finds every instruction with these numbers in their places. Skipped where nvcc is missing.

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ROOT } from "../cli/command.ts";

const floats = (count: number) => Array.from({ length: count }, (_, i) => String(i + 1)).join(", ");

const TMA_LOAD = "shared::cluster.global.mbarrier::complete_tx::bytes";
const MATRIX = "sync.aligned.m8n8";

/** The instruction of each kernel, after call_, with its operands as the kernel gave them; `?` is a result. */
const EXPECTED: Record<string, string> = {
  mbarrier_init: "mbarrier.init.shared::cta.b64 [101], 102",
  mbarrier_invalidate: "mbarrier.inval.shared::cta.b64 [101]",
  fence_mbarrier_init: "fence.mbarrier_init.release.cluster",
  mbarrier_arrive: "mbarrier.arrive.release.cta.shared::cta.b64 _, [101]",
  mbarrier_arrive_remote: "mapa.shared::cluster.u32 remote, 101, 102; " +
    "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote]",
  mbarrier_expect_bytes: "mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [101], 102",
  mbarrier_try_wait:
    "mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 p, [101], 102; selp.u32 ?, 1, 0, p",
  fence_async_proxy: "fence.proxy.async.shared::cta",
  cp_async_16: "cp.async.cg.shared.global [101], [4000], 16, 103",
  cp_async_commit: "cp.async.commit_group",
  cp_async_wait: "cp.async.wait_group 3",
  bulk_load: `cp.async.bulk.${TMA_LOAD} [101], [4000], 103, [104]`,
  bulk_reduce_add_f32: "cp.reduce.async.bulk.global.shared::cta.bulk_group.add.f32 [4000], [102], 103",
  bulk_commit: "cp.async.bulk.commit_group",
  bulk_wait_read: "cp.async.bulk.wait_group.read 2",
  bulk_wait: "cp.async.bulk.wait_group 1",
  prefetch_tensor_map: "prefetch.tensormap [5000]",
  tma_load_2d: `cp.async.bulk.tensor.2d.${TMA_LOAD} [101], [5000, {103, 104}], [105]`,
  tma_load_3d: `cp.async.bulk.tensor.3d.${TMA_LOAD} [101], [5000, {103, 104, 105}], [106]`,
  tma_load_2d_multicast:
    `cp.async.bulk.tensor.2d.${TMA_LOAD}.multicast::cluster [101], [5000, {103, 104}], [105], 6`,
  tma_store_2d: "cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [5000, {102, 103}], [104]",
  tma_reduce_add_2d:
    "cp.reduce.async.bulk.tensor.2d.global.shared::cta.add.tile.bulk_group [5000, {102, 103}], [104]",
  load_matrix_x1: `ldmatrix.${MATRIX}.x1.shared.b16 {?}, [101]`,
  load_matrix_x2: `ldmatrix.${MATRIX}.x2.shared.b16 {?, ?}, [101]`,
  load_matrix_x4: `ldmatrix.${MATRIX}.x4.shared.b16 {?, ?, ?, ?}, [101]`,
  load_matrix_x2_transposed: `ldmatrix.${MATRIX}.x2.trans.shared.b16 {?, ?}, [101]`,
  load_matrix_x4_transposed: `ldmatrix.${MATRIX}.x4.trans.shared.b16 {?, ?, ?, ?}, [101]`,
  store_matrix_x4: `stmatrix.${MATRIX}.x4.shared.b16 [101], {102, 103, 104, 105}`,
  store_matrix_x4_transposed: `stmatrix.${MATRIX}.x4.trans.shared.b16 [101], {102, 103, 104, 105}`,
  mma_m16n8k16: "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 " +
    "{1, 2, 3, 4}, {101, 102, 103, 104}, {105, 106}, {1, 2, 3, 4}",
  wgmma_fence: "wgmma.fence.sync.aligned",
  wgmma_commit: "wgmma.commit_group.sync.aligned",
  wgmma_wait: "wgmma.wait_group.sync.aligned 5",
};
for (const n of [32, 64, 96, 128, 160, 192, 224, 256]) {
  const shape = `setp.ne.b32 p, ?, 0; wgmma.mma_async.sync.aligned.m64n${n}k16.f32.bf16.bf16 {${
    floats(n / 2)
  }}`;
  EXPECTED[`wgmma_${n}`] = `${shape}, 4000, 5000, p, 1, 1, 0, 1`;
  EXPECTED[`wgmma_transposed_${n}`] = `${shape}, 4000, 5000, p, 1, 1, 1, 0`;
  EXPECTED[`wgmma_register_a_${n}`] = `${shape}, {101, 102, 103, 104}, 5000, p, 1, 1, 1`;
}

/** The number that a `mov` gives a register, in decimal. */
function numberOf(text: string): string {
  if (!text.startsWith("0f")) return text;
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, parseInt(text.slice(2), 16));
  return String(view.getFloat32(0));
}

/** The inline instructions of a kernel, its registers replaced by the numbers they hold. */
function instructionsOf(body: string): string {
  const held = new Map<string, string>();
  const value = (register: string) => held.get(register) ?? "?";
  for (const [, register, text] of body.matchAll(/mov\.\w+\s+(%\w+), ([-\w]+);/g)) {
    held.set(register ?? "", numberOf(text ?? ""));
  }
  for (const [, register, source] of body.matchAll(/cvta\.to\.global\.u64\s+(%\w+), (%\w+);/g)) {
    held.set(register ?? "", value(source ?? ""));
  }
  return [...body.matchAll(/\/\/ begin inline asm\n([\s\S]*?)\/\/ end inline asm/g)]
    .map(([, text]) => (text ?? "").replace(/%\w+/g, value)).join("\n")
    .split(/[;\n]/).map((line) => line.trim()).filter((line) =>
      line !== "" && !/^([{}]|\.reg .*)$/.test(line)
    ).join("; ");
}

async function nvcc(): Promise<string | undefined> {
  try {
    const { stdout } = await new Deno.Command("nvcc", { args: ["--version"] }).output();
    return new TextDecoder().decode(stdout);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const ignore = await nvcc() === undefined;
if (ignore) console.log("The wrappers' PTX is not looked at: this machine has no nvcc");

Deno.test({
  name: "every wrapper is the instruction it is named for, each operand in its place",
  ignore,
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const ptx = join(folder, "wrappers.ptx");
      const args = ["-std=c++17", "-O3", "-Werror", "all-warnings", "-arch=compute_90a", "-ptx", "-o", ptx];
      const source = join(ROOT, "tests/kernels/ptx_wrappers.cu");
      const { code, stderr } = await new Deno.Command("nvcc", { args: [...args, source] }).output();
      assertEquals(code, 0, new TextDecoder().decode(stderr));
      const kernels = (await Deno.readTextFile(ptx)).split(".visible .entry call_").slice(1);
      const found = kernels.map((text) => [/^\w+/.exec(text)?.[0] ?? "", instructionsOf(text)]);
      assertEquals(Object.fromEntries(found), EXPECTED);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
