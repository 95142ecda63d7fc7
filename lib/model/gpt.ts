// The model as a graph: embedding, blocks with value mix, residual mix and U-net skips, capped logits, loss. This is
// the file to change when trying an architecture. Holds no numbers, knows no device and no optimiser, and leaves it
// to the plan where anything lies. May import lib/base, the graph and the parameter list only.

import { type DType, realOf } from "../base/dtype.ts";
import { differentiate } from "../graph/autodiff.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { at, type Graph, type Value } from "../graph/node.ts";
import { MIX } from "../graph/ops/elementwise.ts";
import { product } from "../graph/ops/matrices.ts";
import { dropDead, replaceValues } from "../graph/rewrite.ts";
import { type ModelConfig, parameterSpecs } from "./parameters.ts";

/** What a graph of the model is built for: `rows` = B*T tokens in sequences of `T`, activations of type `act`. */
export interface BatchShape {
  readonly rows: number;
  readonly T: number;
  readonly act: DType;
}

/** Names of the inputs that every program of the model shares. */
export const INPUTS = { tokens: "tokens", targets: "targets", position: "position" } as const;

/** Name of the token input of a prediction over `rows` tokens; it differs from training's, whose shape is another. */
export function promptInput(rows: number): string {
  return `prompt.${rows}`;
}

/** The gradient's name for a parameter, among a graph's outputs. */
export function gradientName(parameter: string): string {
  return `grad.${parameter}`;
}

/** Forward and backward of one microbatch: `loss` (1) and the gradients of loss / `microbatches`, by gradientName. */
export function accumulateGraph(model: ModelConfig, batch: BatchShape, microbatches: number): Graph {
  const b = new GraphBuilder();
  const losses = tokenLosses(b, model, batch);
  const loss = b.one("mean", [losses]);
  b.phase = "backward";
  const seed = b.one("fill", [], { count: 1, value: 1 / microbatches, dtype: loss.dtype });
  const parameters = parameterSpecs(model).map((spec) =>
    b.parameter(spec.name, spec.shape, realOf(batch.act))
  );
  const { gradients, replaced } = differentiate(b, 0, new Map([[loss, seed]]), parameters);
  const outputs: Record<string, Value> = { loss };
  for (const parameter of parameters) {
    const gradient = gradients.get(parameter);
    if (gradient) outputs[gradientName(parameter.name)] = gradient;
  }
  return dropDead(replaceValues(b.build("accumulate", outputs), replaced));
}

/** Forward only: the loss of each token, `losses` (rows). */
export function evaluateGraph(model: ModelConfig, batch: BatchShape): Graph {
  const b = new GraphBuilder();
  return b.build("evaluate", { losses: tokenLosses(b, model, batch) });
}

/** Forward only: `logits` (1, V) after the token at row `position`. */
export function predictGraph(model: ModelConfig, batch: BatchShape): Graph {
  const b = new GraphBuilder();
  const x = b.one("selectRow", [
    features(b, model, batch, promptInput(batch.rows)),
    b.input(INPUTS.position, [1], "i32"),
  ]);
  return b.build("predict", { logits: cappedLogits(b, model, batch, x) });
}

/** Forward only: `logits` (rows, V) after every token. */
export function logitsGraph(model: ModelConfig, batch: BatchShape): Graph {
  const b = new GraphBuilder();
  return b.build("logits", { logits: cappedLogits(b, model, batch, features(b, model, batch)) });
}

function tokenLosses(b: GraphBuilder, model: ModelConfig, batch: BatchShape): Value {
  const x = features(b, model, batch);
  const head = b.parameter("head.weight", [model.vocab, model.dim], realOf(batch.act));
  const targets = b.input(INPUTS.targets, [batch.rows], "i32");
  return b.one("headLoss", [x, head, targets], { cap: model.softcap });
}

function cappedLogits(b: GraphBuilder, model: ModelConfig, batch: BatchShape, x: Value): Value {
  const head = b.parameter("head.weight", [model.vocab, model.dim], realOf(batch.act));
  const z = b.one("matmul", [x, head], product(0, 1, realOf(batch.act)));
  return b.one("softcap", [z], { cap: model.softcap });
}

/** The normed output of the last block, (rows, C). */
function features(
  b: GraphBuilder,
  model: ModelConfig,
  batch: BatchShape,
  input: string = INPUTS.tokens,
): Value {
  const { act, T } = batch;
  const tokens = b.input(input, [batch.rows], "i32");
  const table = b.parameter("embed.weight", [model.vocab, model.dim], realOf(act));
  const D = model.dim / model.heads;
  const context: BlockContext = {
    b,
    model,
    batch,
    start: b.one("attentionStart", [tokens], { T, window: model.window, eos: model.eos }),
    rope: b.one("ropeTable", [], { T, D, base: model.ropeBase, dtype: realOf(act) }),
    x0: norm(b, model, b.one("embed", [table, tokens], { dtype: act })),
  };
  const half = model.layers / 2;
  const skipWeights = b.parameter("skip_weights", [half], realOf(act));
  const skips: Value[] = [];
  let x = context.x0;
  for (let i = 0; i < model.layers; i++) {
    const skip = i >= half ? skips.pop() : undefined;
    x = block(context, i, x, skip && { value: skip, weights: skipWeights, index: i - half });
    if (i < half) skips.push(x);
  }
  return norm(b, model, x);
}

/** What all blocks of a forward pass share. */
interface BlockContext {
  readonly b: GraphBuilder;
  readonly model: ModelConfig;
  readonly batch: BatchShape;
  readonly start: Value;
  readonly rope: Value;
  readonly x0: Value;
  /** Values of block 0, kept for every later block. */
  v1?: Value;
}

/** What a block adds to its input first: weights[index] times the value. */
interface Skip {
  readonly value: Value;
  readonly weights: Value;
  readonly index: number;
}

function block(context: BlockContext, layer: number, input: Value, skip?: Skip): Value {
  const { b, model, batch } = context;
  const { dim: C } = model;
  const real = realOf(batch.act);
  const weight = (name: string, shape: number[]) => b.parameter(`blocks.${layer}.${name}`, shape, real);

  const [x, h] = mixed(context, [input, context.x0, weight("residual_mix", [2])], skip);
  const rotated = (name: string) =>
    b.one("matmulNormRope", [h, weight(name, [C, C]), context.rope], {
      T: batch.T,
      heads: model.heads,
      eps: model.normEps,
    });
  const q = rotated("attn.q.weight");
  const k = rotated("attn.k.weight");
  const v = values(context, h, weight("attn.v.weight", [C, C]), weight("attn.value_mix", [1]));
  const y = b.one("attention", [q, k, v, context.start], {
    T: batch.T,
    heads: model.heads,
    window: model.window,
  });
  const z = b.one("matmulAdd", [y, weight("attn.proj.weight", [C, C]), x], product(0, 1, batch.act));
  const up = weight("mlp.up.weight", [4 * C, C]);
  return b.one("mlp", [norm(b, model, z), up, weight("mlp.down.weight", [C, 4 * C]), z]);
}

/** A block's residual stream, mixed from its input, with the skip added, and x0; and its norm. */
function mixed({ b, model }: BlockContext, inputs: readonly Value[], skip?: Skip): [Value, Value] {
  const eps = model.normEps;
  const made = skip
    ? b.apply("skipMixNorm", [...inputs, skip.value, skip.weights], { index: skip.index, eps })
    : b.apply("mixNorm", inputs, { eps });
  return [at(made, 0), at(made, 1)];
}

/** The block's values, mixed with those of block 0, which mixes with itself. */
function values(context: BlockContext, h: Value, weight: Value, share: Value): Value {
  const { b, batch, v1 } = context;
  if (v1) return b.one("matmulMix", [h, weight, v1, share]);
  const own = b.one("matmul", [h, weight], product(0, 1, batch.act));
  context.v1 = own;
  return b.one("mix", [own, own, share], { form: MIX.lerp, index: 0 });
}

function norm(b: GraphBuilder, model: ModelConfig, x: Value): Value {
  return b.one("rmsNorm", [x], { width: model.dim, eps: model.normEps });
}
