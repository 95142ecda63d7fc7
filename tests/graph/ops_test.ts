// The op table itself: inputs that do not fit are refused with a message that names op and shapes; expansions have the
// types of what they expand and use plain ops only; arguments agree with the kernels' C signatures.

import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { SYMBOLS } from "../../ffi/symbols.ts";
import { InternalError } from "../../lib/base/errors.ts";
import type { DType } from "../../lib/base/dtype.ts";
import type { Shape } from "../../lib/base/shape.ts";
import { GraphBuilder } from "../../lib/graph/builder.ts";
import { type Attrs, formatType } from "../../lib/graph/node.ts";
import { OP_NAMES, type OpName } from "../../lib/graph/op.ts";
import { KERNEL_OPS, OPS, symbolOf } from "../../lib/graph/ops.ts";
import { expandOps } from "../../lib/graph/rewrite.ts";
import { caseName, casesOf } from "../../lib/graph/samples.ts";

const ACTS: readonly DType[] = ["f64", "f32", "bf16"];

Deno.test("an expansion has the types of its op, and ends in ops that have none", () => {
  const expandable = OP_NAMES.filter((op) => OPS[op].expand);
  assert(expandable.length >= 8);
  for (const op of expandable) {
    for (const act of ACTS) {
      for (const c of casesOf(op, act)) {
        if (OPS[op].batched && c.inputs[0]?.shape.length === 3) continue; // plans without the kernel take one at a time
        const b = new GraphBuilder();
        const inputs = c.inputs.map(({ shape, dtype }, i) => b.input(`in.${i}`, shape, dtype));
        const made = b.apply(op, inputs, c.attrs);
        const graph = b.build(op, Object.fromEntries(made.map((value, i) => [`out.${i}`, value])));
        // Products with an operand of the other type are the kernel's own business: the plain ops do not mix types.
        if (op === "headLossGrad" && act === "bf16") continue;
        const plain = expandOps(graph, (name) => OPS[name].expand !== undefined);
        assertEquals(plain.nodes.filter((node) => OPS[node.op].expand).map((node) => node.op), []);
        made.forEach((value, i) => {
          const found = plain.outputs[`out.${i}`];
          assertEquals(found && formatType(found), formatType(value), `${caseName(c)}, ${act}, output ${i}`);
        });
      }
    }
  }
});

Deno.test("a call has as many arguments as the kernel's C function takes", () => {
  const functions: Readonly<Record<string, { readonly parameters: readonly string[] }>> = SYMBOLS;
  for (const op of KERNEL_OPS) {
    const def = OPS[op];
    const symbol = symbolOf(op);
    for (const c of casesOf(op, "f32")) {
      const aliased = Object.keys(def.inPlace ?? {}).length;
      const addresses = def.outputs.length + def.inputs.length - aliased + (def.workspace ? 1 : 0);
      const parameters = functions[symbol]?.parameters ?? [];
      const sizes = def.args(c);
      assertEquals(parameters.length, 1 + addresses + sizes.length, `${op}: ${symbol}`);
      assertEquals(parameters.filter((type) => type === "u64").length, 1 + addresses, op);
      parameters.slice(1 + addresses).forEach((type, i) => {
        if (type === "u32") assert(Number.isInteger(sizes[i]) && (sizes[i] ?? -1) >= 0, `${op}: ${sizes[i]}`);
      });
      assert(def.flops(c) >= 0 && (def.workspace?.(c) ?? 0) >= 0);
    }
  }
});

Deno.test("an op without a kernel has an expansion, which even a device that lacks nothing gets", () => {
  const macros = OP_NAMES.filter((op) => !KERNEL_OPS.includes(op));
  const unfinished = [
    ...["mixNormGrad", "mixNormGradAdd", "mixNormSelfGrad"],
    ...["skipMixNormGradAdd", "skipMixNormSelfGrad", "skipMixNormSelfGradAdd"],
  ];
  assertEquals(macros, [...unfinished, "mlp"]);
  assertThrows(() => symbolOf("mlp"), InternalError, "mlp has no kernel");
  const b = new GraphBuilder();
  const input = (name: string, ...shape: number[]) => b.input(name, shape, "bf16");
  const inputs = [input("h", 3, 8), input("up", 16, 8), input("down", 8, 16), input("r", 3, 8)];
  const out = b.one("mlp", inputs);
  const { nodes } = expandOps(b.build("g", { out }), () => false);
  assertEquals(nodes.map(({ op }) => op), ["matmulReluSquared", "matmulAdd"]);
});

type Given = readonly [Shape, DType];

/** Calls that must be refused: op, inputs, attributes, and what the message must say. */
const WRONG: readonly (readonly [OpName, readonly Given[], Attrs, string])[] = [
  ["add", [[[3], "f32"], [[4], "f32"]], {}, "expected f32[3], found f32[4]"],
  ["add", [[[3], "f32"], [[3], "bf16"]], {}, "expected f32[3], found bf16[3]"],
  ["add", [[[3], "f32"]], {}, "takes 2 inputs (a, b), got 1"],
  [
    "matmul",
    [[[3, 4], "f32"], [[5, 6], "f32"]],
    { transA: 0, transB: 0, dtype: "f32", accumulate: 0 },
    "inner sizes differ",
  ],
  [
    "matmul",
    [[[3, 4], "f32"], [[4], "f32"]],
    { transA: 0, transB: 0, dtype: "f32", accumulate: 0 },
    "expected a matrix",
  ],
  [
    "matmul",
    [[[3, 4], "f32"], [[4, 5], "f32"]],
    { transA: 0, transB: 0, dtype: "f23", accumulate: 0 },
    "f23",
  ],
  [
    "matmulAdd",
    [[[3, 4], "f32"], [[4, 5], "f32"], [[5, 3], "f32"]],
    { transA: 0, transB: 0, dtype: "f32" },
    "expected f32[3x5]",
  ],
  [
    "mixGradAdd",
    [[[3], "bf16"], [[3], "bf16"], [[3], "bf16"], [[2], "f32"], [[3], "bf16"]],
    { form: 0, index: 0, into: 2 },
    "expected f32[2], found bf16[3]",
  ],
  [
    "mixNorm",
    [[[3, 4], "bf16"], [[3, 4], "bf16"], [[3], "f32"]],
    { eps: 1e-7 },
    "expected two coefficients",
  ],
  [
    "skipMixNorm",
    [[[3, 4], "bf16"], [[3, 4], "bf16"], [[2], "f32"], [[3, 5], "bf16"], [[1], "f32"]],
    { eps: 1e-7, index: 0 },
    "expected bf16[3x4], found bf16[3x5]",
  ],
  ["matmulReluSquared", [[[3, 4], "f32"], [[4, 5], "f32"]], { dtype: "f32" }, "inner sizes differ"],
  [
    "matmulReluSquaredGrad",
    [[[3, 4], "f32"], [[4, 5], "f32"], [[5, 3], "f32"]],
    {},
    "expected f32[3x5], found f32[5x3]",
  ],
  [
    "mlp",
    [[[3, 8], "f32"], [[16, 8], "f32"], [[8, 16], "f32"], [[3, 16], "f32"]],
    {},
    "expected f32[3x8], found f32[3x16]",
  ],
  ["attention", [[[4, 6], "f32"], [[4, 6], "f32"], [[4, 8], "f32"], [[4], "i32"]], {
    T: 4,
    heads: 2,
    window: 3,
  }, "f32[4x8]"],
  ["broadcast", [[[2], "f32"]], { count: 3, factor: 1 }, "expected one element"],
  ["embed", [[[7], "f32"], [[3], "i32"]], { dtype: "f32" }, "expected a matrix"],
  ["fill", [], { dtype: "f32" }, "Attribute count is undefined"],
  [
    "applyUpdate",
    [[[3], "f32"], [[2, 3], "f32"], [[8], "f32"]],
    { factor: 1, slot: 2 },
    "more than 2 of them",
  ],
  ["applyUpdate", [[[3], "f32"], [[2, 4], "f32"], [[8], "f32"]], { factor: 1, slot: 0 }, "found f32[2x4]"],
  ["newtonSchulz", [[[2, 3, 4, 5], "f32"]], { steps: 5, dtype: "f32" }, "expected a matrix"],
];

Deno.test("inputs that do not fit are refused, naming op, inputs and shapes", () => {
  for (const [op, given, attrs, expected] of WRONG) {
    const b = new GraphBuilder();
    const inputs = given.map(([shape, dtype], i) => b.input(`in.${i}`, shape, dtype));
    const error = assertThrows(() => b.apply(op, inputs, attrs), InternalError);
    assertStringIncludes(error.message, op);
    assertStringIncludes(error.message, expected);
    assertEquals(b.nodes.length, 0);
  }
});

Deno.test("a name declared again must be the same tensor", () => {
  const b = new GraphBuilder();
  const x = b.parameter("x", [2, 3], "f32");
  assertEquals(b.parameter("x", [2, 3], "f32"), x);
  assertThrows(() => b.parameter("x", [3, 2], "f32"), InternalError, "declared as parameter f32[2x3]");
  assertThrows(() => b.parameter("x", [2, 3], "bf16"), InternalError);
  assertThrows(() => b.input("x", [2, 3], "f32"), InternalError);
});
