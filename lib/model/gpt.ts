// The model as a graph: embedding, blocks with value mix, residual mix and U-net skips, capped logits, loss. This is
// the file to change when trying an architecture. Holds no numbers, knows no device and no optimiser, and leaves it
// to the plan where anything lies. May import lib/base, the graph and the parameter list only.

import { type DType, realOf } from "../base/dtype.ts";
import { differentiate } from "../graph/autodiff.ts";
import { GraphBuilder } from "../graph/builder.ts";
import { at, type Attrs, type Graph, type Value } from "../graph/node.ts";
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

/** Names of the inputs of training's programs, and of those that predictions of any number of rows share. */
export const INPUTS = {
  tokens: "tokens",
  targets: "targets",
  /** Where in the text the first of a prediction's rows stands. */
  position: "position",
  /** Which of a prediction's rows the next token follows. */
  last: "last",
} as const;

/** Names of the inputs of a prediction by `rows` tokens at a time: the tokens, and the first position that each sees. */
export function promptInputs(rows: number): { readonly tokens: string; readonly start: string } {
  return { tokens: `prompt.${rows}`, start: `start.${rows}` };
}

/** Tokens that go into the caches at a time: a prompt's many, of which the last time may fill few, and one. */
export const PROMPT_ROWS = { prefill: 64, predict: 1 } as const;

/** Tokens that the next one can depend on by one layer: the window, but no more than sequences in training had. */
export function contextOf(model: Pick<ModelConfig, "window">, sequenceLength: number): number {
  return Math.min(model.window, sequenceLength);
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

/** What predictions are made for: each token sees `context` tokens back at most, itself included. */
export interface PredictShape {
  readonly context: number;
  readonly act: DType;
}

/**
 * Forward only: `logits` (1, V) after row `last` of the program's rows, which follow in their text those of earlier runs
 * and go into the caches of keys and values. Which of the cached rows each sees, at most `context`, is an input.
 */
export function predictGraph(
  name: keyof typeof PROMPT_ROWS,
  model: ModelConfig,
  { context, act }: PredictShape,
): Graph {
  const b = new GraphBuilder();
  const rows = PROMPT_ROWS[name];
  const x = features(b, model, act, textSoFar(b, model, rows, { context, act }));
  const last = rows === 1 ? x : b.one("selectRow", [x, b.input(INPUTS.last, [1], "i32")]);
  return b.build(name, { logits: cappedLogits(b, model, act, last) });
}

/** Forward only: `logits` (rows, V) after every token. */
export function logitsGraph(model: ModelConfig, batch: BatchShape): Graph {
  const b = new GraphBuilder();
  const x = features(b, model, batch.act, wholeSequences(b, model, batch));
  return b.build("logits", { logits: cappedLogits(b, model, batch.act, x) });
}

function tokenLosses(b: GraphBuilder, model: ModelConfig, batch: BatchShape): Value {
  const x = features(b, model, batch.act, wholeSequences(b, model, batch));
  const head = b.parameter("head.weight", [model.vocab, model.dim], realOf(batch.act));
  const targets = b.input(INPUTS.targets, [batch.rows], "i32");
  return b.one("headLoss", [x, head, targets], { cap: model.softcap });
}

function cappedLogits(b: GraphBuilder, model: ModelConfig, act: DType, x: Value): Value {
  const head = b.parameter("head.weight", [model.vocab, model.dim], realOf(act));
  const z = b.one("matmul", [x, head], product(0, 1, realOf(act)));
  return b.one("softcap", [z], { cap: model.softcap });
}

/** Where a forward pass has its tokens from, where they stand, and how their queries meet keys and values. */
interface Text {
  /** (rows) */
  readonly tokens: Value;
  /** Angles of positions, (T, D): row n has position n mod T. */
  readonly rope: Value;
  readonly T: number;
  readonly attend: (layer: number, q: Value, k: Value, v: Value) => Value;
}

/** Whole sequences, which hold all that their tokens see. */
function wholeSequences(b: GraphBuilder, model: ModelConfig, { rows, T, act }: BatchShape): Text {
  const { window, eos, heads } = model;
  const tokens = b.input(INPUTS.tokens, [rows], "i32");
  const start = b.one("attentionStart", [tokens], { T, window, eos });
  const rope = b.one("ropeTable", [], tableOf(model, T, act));
  const attend: Text["attend"] = (_, q, k, v) => b.one("attention", [q, k, v, start], { T, heads, window });
  return { tokens, rope, T, attend };
}

/** The next `rows` tokens of a text whose keys and values so far are in caches. */
function textSoFar(b: GraphBuilder, model: ModelConfig, rows: number, { context, act }: PredictShape): Text {
  const names = promptInputs(rows);
  const tokens = b.input(names.tokens, [rows], "i32");
  const start = b.input(names.start, [rows], "i32");
  const position = b.input(INPUTS.position, [1], "i32");
  const rope = b.one("ropeTableAt", [position], tableOf(model, rows, act));
  // What the first of the rows sees must still be there when the last has been stored, that of the longer program too.
  const ring = [context + PROMPT_ROWS.prefill - 1, model.dim];
  const attend: Text["attend"] = (layer, q, k, v) => {
    const cached = (name: string, x: Value) =>
      b.one("cacheRows", [b.state(`cache.${layer}.${name}`, ring, act), x, position]);
    const [keys, values] = [cached("k", k), cached("v", v)];
    return b.one("attentionCached", [q, keys, values, start, position], { heads: model.heads });
  };
  return { tokens, rope, T: rows, attend };
}

/** Attributes of the angles of `T` positions. */
function tableOf(model: ModelConfig, T: number, act: DType): Attrs {
  return { T, D: model.dim / model.heads, base: model.ropeBase, dtype: realOf(act) };
}

/** The normed output of the last block, (rows, C). */
function features(b: GraphBuilder, model: ModelConfig, act: DType, text: Text): Value {
  const table = b.parameter("embed.weight", [model.vocab, model.dim], realOf(act));
  const x0 = norm(b, model, b.one("embed", [table, text.tokens], { dtype: act }));
  const context: BlockContext = { b, model, act, text, x0 };
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
  readonly act: DType;
  readonly text: Text;
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
  const { b, model, act, text } = context;
  const { dim: C } = model;
  const real = realOf(act);
  const weight = (name: string, shape: number[]) => b.parameter(`blocks.${layer}.${name}`, shape, real);

  const [x, h] = mixed(context, [input, context.x0, weight("residual_mix", [2])], skip);
  const rotated = (name: string) =>
    b.one("matmulNormRope", [h, weight(name, [C, C]), text.rope], {
      T: text.T,
      heads: model.heads,
      eps: model.normEps,
    });
  const q = rotated("attn.q.weight");
  const k = rotated("attn.k.weight");
  const v = values(context, h, weight("attn.v.weight", [C, C]), weight("attn.value_mix", [1]));
  const y = text.attend(layer, q, k, v);
  const z = b.one("matmulAdd", [y, weight("attn.proj.weight", [C, C]), x], product(0, 1, act));
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
  const { b, act, v1 } = context;
  if (v1) return b.one("matmulMix", [h, weight, v1, share]);
  const own = b.one("matmul", [h, weight], product(0, 1, act));
  context.v1 = own;
  return b.one("mix", [own, own, share], { form: MIX.lerp, index: 0 });
}

function norm(b: GraphBuilder, model: ModelConfig, x: Value): Value {
  return b.one("rmsNorm", [x], { width: model.dim, eps: model.normEps });
}
