// The bench of single matrix products: a linear layer's three, at the sizes of the record's blocks, in every kernel form that
// the device has for them. Made-up operands, the result in the type that training keeps. Prints nothing. Imports the graph,
// lib/plan and lib/run.

import type { Device } from "../../ffi/device.ts";
import { RandomStream } from "../base/random.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { at, type Graph, type Node } from "../graph/node.ts";
import type { FormName } from "../graph/op.ts";
import { product } from "../graph/ops/matrices.ts";
import { drawNormal } from "../graph/samples.ts";
import { buildPlan } from "../plan/build.ts";
import { chipOf, formAllowed, formsOf } from "../plan/forms.ts";
import { lastingOf, tensorBytes } from "../plan/plan.ts";
import { activationType, planOptionsFor, type Precision, targetOf } from "./devices.ts";
import { encodeValues, Executor } from "./executor.ts";
import { type Budget, repeat, type Timing, timingOf } from "./timing.ts";

/** What a linear layer y = x W^T multiplies: forward, dx = dy W, dW = dy^T x. */
export const USES = ["forward", "input gradient", "weight gradient"] as const;
export type ProductUse = typeof USES[number];

/** A product c [m, n] = a b over an inner size k. */
export interface ProductWork {
  readonly use: ProductUse;
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** A product in one of the device's forms and how long it took. */
export interface ProductFigures extends ProductWork {
  /** Not there where the device has one kernel. */
  readonly form?: FormName;
  readonly flops: number;
  readonly plannedBytes: number;
  readonly timing: Timing;
}

/** Outputs and inputs of the layers: attention's, and the two of the MLP. */
const LAYERS = [[768, 768], [3072, 768], [768, 3072]] as const;

/** Tokens at a time: a microbatch's on a cpu and on a GPU; few where every lane is emulated. */
const ROWS = { reference: 64, cpu: 4096, cuda: 65536, emulated: 256 } as const;

/** The products to time on a kind of device. */
export function productWorks(kind: Device["kind"]): ProductWork[] {
  const rows = ROWS[kind];
  return LAYERS.flatMap(([outputs, inputs]) => [
    { use: USES[0], m: rows, n: outputs, k: inputs },
    { use: USES[1], m: rows, n: inputs, k: outputs },
    { use: USES[2], m: outputs, n: inputs, k: rows },
  ]);
}

/**
 * Times a product in each form that the device has for it, slowest form first; last, where `cublaslt` says that the device
 * has opened it and its limits allow, by cuBLASLt.
 */
export async function benchProduct(
  work: ProductWork,
  device: Device,
  precision: Precision,
  budget: Budget,
  cublaslt = false,
): Promise<ProductFigures[]> {
  const graph = graphOf(work, device, precision);
  const node = at(graph.nodes, 0);
  const isGpu = planOptionsFor(targetOf(device)).form !== undefined;
  const forms = isGpu ? formsFor(node, device, cublaslt) : [undefined];
  const found: ProductFigures[] = [];
  for (const form of forms) found.push(await timeProduct(work, graph, device, budget, form));
  return found;
}

function formsFor(node: Node, device: Device, cublaslt: boolean): FormName[] {
  const chip = chipOf(device.describe().isa);
  const theirs = cublaslt && formAllowed("cublaslt", "matmul", node, chip);
  return [...formsOf("matmul", node, chip), ...(theirs ? ["cublaslt"] as const : [])];
}

function graphOf({ use, m, n, k }: ProductWork, device: Device, precision: Precision): Graph {
  const act = activationType(device.kind, precision);
  const [transA, transB] = [use === USES[2] ? 1 : 0, use === USES[0] ? 1 : 0];
  const b = new GraphBuilder();
  const left = b.input("a", transA ? [k, m] : [m, k], act);
  const right = b.input("b", transB ? [n, k] : [k, n], act);
  const type = use === USES[2] && act === "bf16" ? "f32" : act; // gradients of parameters are float32
  return b.build("product", { c: b.one("matmul", [left, right], product(transA, transB, type)) });
}

async function timeProduct(
  work: ProductWork,
  graph: Graph,
  device: Device,
  budget: Budget,
  form: FormName | undefined,
): Promise<ProductFigures> {
  const options = planOptionsFor(targetOf(device));
  const plan = buildPlan({ forward: [graph] }, { ...options, ...(form && { form: () => form }) });
  const executor = new Executor(plan, device);
  try {
    for (const name of ["a", "b"]) fill(executor, name);
    const ms: number[] = [];
    const run = () => {
      const started = performance.now();
      executor.run(graph.name);
      device.sync();
      ms.push(performance.now() - started);
    };
    run();
    ms.length = 0; // the first one finds memory and kernels cold
    await repeat(budget, run);
    const flops = 2 * work.m * work.n * work.k;
    return { ...work, ...(form && { form }), flops, plannedBytes: plan.plannedBytes, timing: timingOf(ms) };
  } finally {
    executor.close();
  }
}

/** Elements drawn: the rest of an operand repeats them. A GPU's clock depends on the bits, but not on their being new. */
const DRAWN = 1 << 16;

function fill(executor: Executor, name: string): void {
  const tensor = lastingOf(executor.plan, name);
  const block = encodeValues(tensor, drawNormal(new RandomStream(0, 0), DRAWN));
  const bytes = tensorBytes(tensor);
  for (let offset = 0; offset < bytes; offset += block.length) {
    executor.writeBytes(name, offset, block.subarray(0, bytes - offset));
  }
}
