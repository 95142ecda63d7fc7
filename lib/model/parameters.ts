// The model's parameters: canonical names, shapes, order, starting values and which optimiser trains each. The order
// is part of every checkpoint and of every seed: what is inserted changes both. Draws no values and makes no graph;
// the limits of a model's sizes are in lib/config. May import lib/base only.

import type { Shape } from "../base/shape.ts";

/** The model's sizes and constants, spelled as in config.json. */
export interface ModelConfig {
  readonly layers: number;
  readonly heads: number;
  readonly dim: number;
  readonly vocab: number;
  readonly window: number;
  readonly eos: number;
  readonly softcap: number;
  readonly ropeBase: number;
  readonly normEps: number;
}

/** How a parameter starts: drawn (see init.ts) or set. */
export type Start =
  | { readonly kind: "normal" }
  | { readonly kind: "uniform"; readonly bound: number }
  | { readonly kind: "values"; readonly values: readonly number[] }
  | { readonly kind: "constant"; readonly value: number };

/** Learning rate of a parameter, by its config key; `muonLr` says that Muon trains it, the others Adam. */
export type RateKey = "embedLr" | "headLr" | "scalarLr" | "muonLr";

/** One parameter. Its position in the list is its number in the counter-based random draw. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly start: Start;
  readonly rate: RateKey;
}

/** All parameters in canonical order: embedding, eight a block, skip weights, head. */
export function parameterSpecs(model: ModelConfig): ParameterSpec[] {
  const { vocab: V, dim: C, layers: L } = model;
  const blocks = Array.from({ length: L }, (_, i) => blockSpecs(`blocks.${i}.`, C)).flat();
  return [
    { name: "embed.weight", shape: [V, C], start: { kind: "normal" }, rate: "embedLr" },
    ...blocks,
    { name: "skip_weights", shape: [L / 2], start: { kind: "constant", value: 1 }, rate: "scalarLr" },
    { name: "head.weight", shape: [V, C], start: { kind: "constant", value: 0 }, rate: "headLr" },
  ];
}

function blockSpecs(prefix: string, C: number): ParameterSpec[] {
  const matrix = (name: string, rows: number, columns: number, zero: boolean): ParameterSpec => ({
    name: prefix + name,
    shape: [rows, columns],
    start: zero ? { kind: "constant", value: 0 } : { kind: "uniform", bound: 1 / Math.sqrt(columns) },
    rate: "muonLr",
  });
  return [
    matrix("attn.q.weight", C, C, false),
    matrix("attn.k.weight", C, C, false),
    matrix("attn.v.weight", C, C, false),
    matrix("attn.proj.weight", C, C, true),
    {
      name: prefix + "attn.value_mix",
      shape: [1],
      start: { kind: "constant", value: 0.5 },
      rate: "scalarLr",
    },
    {
      name: prefix + "residual_mix",
      shape: [2],
      start: { kind: "values", values: [1, 0] },
      rate: "scalarLr",
    },
    matrix("mlp.up.weight", 4 * C, C, false),
    matrix("mlp.down.weight", C, 4 * C, true),
  ];
}
