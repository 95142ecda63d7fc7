// The graphs of a small model and its optimisers as text against stored snapshots: a change of model, gradients or
// optimisers shows here line by line. After a wanted change: deno test -A tests/graph/text_test.ts -- --update-snapshots

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { GraphBuilder } from "../../lib/graph/builder.ts";
import { formatGraph } from "../../lib/graph/text.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import { accumulateGraph, evaluateGraph, logitsGraph, predictGraph } from "../../lib/model/gpt.ts";
import { parameterSpecs } from "../../lib/model/parameters.ts";
import { updateGraph } from "../../lib/optim/update.ts";
import { checkSnapshot } from "../snapshot.ts";

const FOLDER = join(import.meta.dirname ?? ".", "snapshots");

/** Two blocks: the first skips to the second, which mixes in the first one's values. */
const { model: TINY, optim } = PRESETS.tiny.values;
const MODEL = { ...TINY, dim: 8, heads: 2, vocab: 11, eos: 10, window: 5 };
const BATCH = { rows: 14, T: 7, act: "bf16" } as const;

const GRAPHS = {
  accumulate: () => accumulateGraph(MODEL, BATCH, 3),
  evaluate: () => evaluateGraph(MODEL, BATCH),
  logits: () => logitsGraph(MODEL, BATCH),
  prefill: () => predictGraph("prefill", MODEL, { context: 5, act: "bf16" }),
  predict: () => predictGraph("predict", MODEL, { context: 5, act: "bf16" }),
  update: () => updateGraph(parameterSpecs(MODEL), optim, "bf16", 2),
};

for (const [name, make] of Object.entries(GRAPHS)) {
  Deno.test(`the graph ${name} is as stored`, () => {
    checkSnapshot(join(FOLDER, `${name}.txt`), formatGraph(make()));
  });
}

Deno.test("formatGraph() numbers computed values and names the others", () => {
  const b = new GraphBuilder();
  const x = b.input("x", [3, 4], "f32");
  const y = b.one("rmsNorm", [x], { width: 4, eps: 0.5 });
  const graph = b.build("g", { z: b.one("add", [y, x]), x });
  assertEquals(
    formatGraph(graph),
    `g:
  %0 f32[3x4] = rmsNorm(x) width=4 eps=0.5
  %1 f32[3x4] = add(%0, x)
returns
  z = %1
  x = x
`,
  );
  assert(formatGraph(graph) !== formatGraph({ ...graph, nodes: graph.nodes.slice(1) }));
});
