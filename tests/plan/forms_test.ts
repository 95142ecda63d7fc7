// Which form of a kernel the plan chooses: by type, whole rows of 16 bytes, head width and chip; and that the codes are those
// of kernels/abi.h.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  NANOGPT_FORM_CUBLASLT,
  NANOGPT_FORM_MMA,
  NANOGPT_FORM_SIMPLE,
  NANOGPT_FORM_WGMMA,
  NANOGPT_FORM_WGMMA_ADD,
  NANOGPT_ISA_SM80,
  NANOGPT_ISA_SM90A,
} from "../../ffi/symbols.ts";
import type { DType } from "../../lib/base/dtype.ts";
import { InternalError } from "../../lib/base/errors.ts";
import type { Attrs } from "../../lib/graph/node.ts";
import { FORMS, OP_NAMES, type OpName, type Signature } from "../../lib/graph/op.ts";
import { OPS } from "../../lib/graph/ops.ts";
import { casesOf } from "../../lib/graph/samples.ts";
import { PRESETS } from "../../lib/config/presets.ts";
import {
  type Chip,
  chipOf,
  CHIPS,
  chosenForm,
  fastestForm,
  formAllowed,
  formsOf,
  hasFixedOrder,
} from "../../lib/plan/forms.ts";
import { kernelSteps } from "../../lib/plan/plan.ts";
import { planRun } from "../../lib/run/programs.ts";

/** An op's signature from the shapes and types of its inputs. */
function signature(op: OpName, inputs: readonly [DType, ...number[]][], attrs: Attrs): Signature {
  const types = inputs.map(([dtype, ...shape]) => ({ dtype, shape }));
  return { inputs: types, outputs: OPS[op].infer(types, attrs), attrs };
}

function product(a: [DType, ...number[]], b: [DType, ...number[]], attrs: Attrs = {}): Signature {
  return signature("matmul", [a, b], { transA: 0, transB: 1, dtype: "bf16", accumulate: 0, ...attrs });
}

function attention(type: DType, heads: number, width: number): Signature {
  const x: [DType, ...number[]] = [type, 24, heads * width];
  return signature("attention", [x, x, x, ["i32", 24]], { T: 24, heads, window: 8 });
}

/** Its gradient, all of it in that type. */
function attentionGrad(type: DType, heads: number, width: number): Signature {
  const x: [DType, ...number[]] = [type, 24, heads * width];
  const inputs = [x, x, x, x, x, ["f32", 24, heads], ["i32", 24]] satisfies [DType, ...number[]][];
  return signature("attentionGrad", inputs, { T: 24, heads, window: 8 });
}

Deno.test("the codes of forms and chips are those of kernels/abi.h", () => {
  assertEquals(FORMS.map((_, code) => code), [
    NANOGPT_FORM_SIMPLE,
    NANOGPT_FORM_MMA,
    NANOGPT_FORM_WGMMA,
    NANOGPT_FORM_CUBLASLT,
    NANOGPT_FORM_WGMMA_ADD,
  ]);
  assertEquals(CHIPS.length, [NANOGPT_ISA_SM80, NANOGPT_ISA_SM90A].length);
  assertEquals(chipOf("sm80"), "sm80");
  assertThrows(() => chipOf("avx2"), InternalError, "no GPU kernels for avx2");
  const s = product(["bf16", 8, 16], ["bf16", 24, 16]);
  const last = (form: string) => OPS.matmul.args({ ...s, attrs: { ...s.attrs, form } }).at(-1);
  assertEquals(FORMS.map(last), [0, 1, 2, 3, 4]);
  assertThrows(() => last("mna"), InternalError, "Attribute form is mna");
});

Deno.test("a product is fast where both operands are bf16 and every row is whole 16 bytes", () => {
  const form = (s: Signature) => fastestForm("matmul", s, "sm80");
  assertEquals(form(product(["bf16", 33, 72], ["bf16", 40, 72])), "mma");
  assertEquals(form(product(["f32", 33, 72], ["bf16", 40, 72])), "simple", "one operand is float32");
  assertEquals(form(product(["bf16", 33, 68], ["bf16", 40, 68])), "simple", "rows of 136 bytes");
  assertEquals(form(product(["bf16", 33, 72], ["bf16", 131, 72])), "simple", "a result of 131 columns");
  // Stored the other way, the odd size is the number of rows.
  assertEquals(form(product(["bf16", 67, 32], ["bf16", 67, 40], { transA: 1, transB: 0 })), "mma");
  assertEquals(
    form(product(["bf16", 64, 72], ["bf16", 36, 72], { dtype: "f32" })),
    "mma",
    "144 bytes of float32",
  );
});

Deno.test("products take wgmma on Hopper wherever they take mma.sync elsewhere", () => {
  const sizes = [[33, 40, 72], [33, 40, 68], [8, 8, 8]] as const;
  const forms = (chip: Chip) =>
    sizes.map(([m, n, k]) => fastestForm("matmul", product(["bf16", m, k], ["bf16", n, k]), chip));
  assertEquals(forms("sm80"), ["mma", "simple", "mma"]);
  assertEquals(forms("sm90a"), ["wgmma", "simple", "wgmma"]);
  for (const op of ["matmulAdd", "matmulMix", "headLoss", "headLossGrad", "newtonSchulz"] as const) {
    assert(casesOf(op, "bf16").some((c) => fastestForm(op, c, "sm90a") === "wgmma"), op);
  }
});

Deno.test("heads of 128 are normed and rotated as the product on wgmma ends, others after one on mma.sync", () => {
  const form = (width: number, chip: Chip, type: DType = "bf16") => {
    const inputs: [DType, ...number[]][] = [[type, 24, 40], [type, 2 * width, 40], ["f32", 12, width]];
    return fastestForm(
      "matmulNormRope",
      signature("matmulNormRope", inputs, { T: 12, heads: 2, eps: 0 }),
      chip,
    );
  };
  assertEquals([16, 64, 128, 256].map((width) => form(width, "sm90a")), ["mma", "mma", "wgmma", "mma"]);
  assertEquals([form(128, "sm80"), form(130, "sm80"), form(128, "sm90a", "f32")], [
    "mma",
    "simple",
    "simple",
  ]);
});

Deno.test("attention is fast at the tiles' head widths, the head and Newton-Schulz at whole rows", () => {
  const widths = [16, 32, 48, 64, 96, 128, 130];
  for (const [op, of] of [["attention", attention], ["attentionGrad", attentionGrad]] as const) {
    const form = (type: DType, width: number, chip: Chip) => fastestForm(op, of(type, 3, width), chip);
    assertEquals(widths.filter((width) => form("bf16", width, "sm90a") !== "simple"), [32, 64, 128], op);
    assertEquals(form("bf16", 128, "sm90a"), "wgmma", op);
    assertEquals(form("bf16", 128, "sm80"), "mma", op);
    assertEquals(form("bf16", 64, "sm90a"), "mma", op);
    assertEquals(form("f32", 128, "sm90a"), "simple", op);
  }
  const head = (C: number, V: number) =>
    fastestForm(
      "headLoss",
      signature("headLoss", [["bf16", 9, C], ["bf16", V, C], ["i32", 9]], { cap: 30 }),
      "sm80",
    );
  assertEquals([head(48, 131), head(50, 128)], ["mma", "simple"]);
  const iteration = (rows: number, columns: number, dtype: DType) =>
    fastestForm(
      "newtonSchulz",
      signature("newtonSchulz", [["f32", rows, columns]], { steps: 5, dtype }),
      "sm80",
    );
  assertEquals([iteration(40, 96, "bf16"), iteration(33, 96, "bf16"), iteration(40, 96, "f32")], [
    "mma",
    "simple",
    "simple",
  ]);
});

Deno.test("attention's gradient adds to dq on Hopper where sums need no fixed order; nothing else does", () => {
  const free = { cublaslt: false, deterministic: false }, fixed = { ...free, deterministic: true };
  const form = (width: number, chip: Chip, wishes = free, type: DType = "bf16") =>
    chosenForm("attentionGrad", attentionGrad(type, 3, width), chip, wishes);
  assertEquals([form(128, "sm90a"), form(128, "sm90a", fixed)], ["wgmmaAdd", "wgmma"]);
  assertEquals([form(64, "sm90a"), form(128, "sm80"), form(128, "sm90a", free, "f32")], [
    "mma",
    "mma",
    "simple",
  ]);
  for (const op of OP_NAMES.filter((op) => op !== "attentionGrad")) {
    for (const c of [...casesOf(op, "bf16"), ...casesOf(op, "f32")]) {
      assert(formsOf(op, c, "sm90a").every(hasFixedOrder), op);
      assertEquals(chosenForm(op, c, "sm90a", free), chosenForm(op, c, "sm90a", fixed), op);
    }
  }
});

Deno.test("cuBLASLt's form is chosen where it was asked for and its limits are kept, and nowhere else", () => {
  const form = (s: Signature, asked = true, op: OpName = "matmul") =>
    chosenForm(op, s, "sm90a", { cublaslt: asked, deterministic: false });
  const plain = product(["bf16", 33, 72], ["bf16", 40, 72]);
  assertEquals([form(plain), form(plain, false)], ["cublaslt", "wgmma"]);
  const exact = product(["f32", 33, 36], ["f32", 40, 36], { dtype: "f32" });
  assertEquals([form(exact), form(exact, false)], ["cublaslt", "simple"]);
  assertEquals(form(product(["f32", 33, 72], ["bf16", 40, 72])), "simple", "operands of two types");
  assertEquals(form(product(["f32", 33, 72], ["f32", 40, 72])), "simple", "a bf16 result of float32");
  assertEquals(form(product(["bf16", 33, 68], ["bf16", 40, 68])), "simple", "rows of 136 bytes");
  assertEquals(form(product(["bf16", 33, 72], ["bf16", 131, 72])), "simple", "a result of 131 columns");
  assertEquals(form(attention("bf16", 3, 128), true, "attention"), "wgmma", "no product");
  for (const op of OP_NAMES) {
    for (const c of [...casesOf(op, "bf16"), ...casesOf(op, "f32")]) {
      assert(
        !formsOf(op, c, "sm90a").includes("cublaslt") && form(c, false, op) !== "cublaslt",
      );
    }
  }
});

Deno.test("every op with forms has the simple one everywhere, and samples for the others; wgmma is Hopper's", () => {
  for (const op of OP_NAMES) {
    const cases = casesOf(op, "bf16");
    if (!OPS[op].forms) {
      assertEquals(cases.flatMap((c) => formsOf(op, c, "sm90a")), [], op);
      continue;
    }
    for (const c of [...cases, ...casesOf(op, "f32")]) assertEquals(formsOf(op, c, "sm80")[0], "simple", op);
    assert(cases.some((c) => formAllowed("mma", op, c, "sm80")), `${op} has samples for mma`);
    assert(!cases.some((c) => formAllowed("wgmma", op, c, "sm80")), op);
    assertEquals(casesOf(op, "f32").filter((c) => fastestForm(op, c, "sm90a") !== "simple"), [], op);
  }
});

Deno.test("the record's plan has no simple product on a GPU, and no form at all on the cpu", () => {
  const { model, optim } = PRESETS["speedrun-2024-11-19"].values;
  const stepsOf = (kind: "cpu" | "cuda") => {
    const batch = { sequenceLength: 1024, deviceBatchSequences: 1, training: { optim, microbatches: 2 } };
    const plan = planRun({ model, kind, precision: "bf16", ...batch, evaluate: true });
    return [...plan.programs.values()].flatMap(({ steps }) => kernelSteps(steps));
  };
  const forms = stepsOf("cuda").filter(({ op }) => OPS[op].forms).map(({ form }) => form);
  assert(forms.length > 500 && !forms.includes("simple"), `${forms.length} steps`);
  assertEquals(stepsOf("cpu").filter(({ form }) => form !== undefined), []);
});
