// Plans as text, one line a tensor and one line a step, stable from run to run: for people and for snapshot tests.
// Prints everything that an executor would do, places included; leaves out costs, which report.ts has. There is no
// way back from the text. May import the graph and lib/plan only.

import { formatType } from "../graph/node.ts";
import { OPS } from "../graph/ops.ts";
import { type Place, type Plan, type Program, type Step, tensorBytes } from "./plan.ts";

/** The whole plan: lasting tensors by offset, then each program's steps in order. Offsets are bytes in the arena. */
export function formatPlan(plan: Plan): string {
  const lasting = [...plan.lasting.values()].sort((a, b) => a.offset - b.offset);
  return [
    `lasting: ${lasting.length} tensors in ${plan.lastingBytes} bytes`,
    ...lasting.map((tensor) => `  ${tensor.kind} ${formatPlace(tensor)}, ${tensorBytes(tensor)} bytes`),
    ...[...plan.programs.values()].flatMap(formatProgram),
    `planned ${plan.plannedBytes} bytes, naive ${plan.naiveBytes} bytes`,
  ].join("\n") + "\n";
}

/** A program's name and its steps, one line each. */
function formatProgram(program: Program): string[] {
  return [
    `${program.name}: ${program.steps.length} steps`,
    ...program.steps.map((step, i) => `  ${i} ${formatStep(step)}`),
  ];
}

/** `forward rmsNorm y bf16[64x32]@4096 = x bf16[64x32]@0; args 64 32 1 0.0078125`; a form follows the op: `matmul mma c`. */
function formatStep(step: Step): string {
  if (step.kind === "collective") {
    const [tensor] = step.tensors;
    const what = tensor ? ` ${formatPlace(tensor)} of all ranks; args ${step.args.join(" ")}` : "";
    return `${step.phase} ${nameOf(step)}${what}`;
  }
  const { outputs, inputs } = sides(step);
  const args = step.args.length > 0 ? `; args ${step.args.join(" ")}` : "";
  return `${step.phase} ${nameOf(step)} ${outputs.map(formatPlace).join(", ")} = ${
    inputs.map(formatPlace).join(", ")
  }${args}`;
}

/** The op of a step and, where it has several, the kernel's form; of a collective its function. */
export function nameOf(step: Step): string {
  if (step.kind === "collective") return step.symbol;
  const { op, form } = step;
  return form === undefined ? op : `${op} ${form}`;
}

/** A step's tensors by side; the inputs include scratch, and lack those that an output overwrites in place. */
export function sides(step: Step): { outputs: readonly Place[]; inputs: readonly Place[] } {
  if (step.kind === "collective") return { outputs: step.tensors, inputs: [] };
  const count = OPS[step.op].outputs.length;
  return { outputs: step.tensors.slice(0, count), inputs: step.tensors.slice(count) };
}

function formatPlace(place: Place): string {
  return `${place.name} ${formatType(place)}@${place.offset}`;
}

/** Types of a step's outputs and inputs, scratch left out: what tells steps of one op apart. */
export function shapesOf(step: Step): string {
  const { outputs, inputs } = sides(step);
  const named = inputs.filter((place) => place.name !== "workspace");
  return `${typesOf(outputs)} = ${typesOf(named)}`;
}

/** "f32[4096], 2 bf16[4096x256]": neighbours of one type are counted. */
function typesOf(places: readonly Place[]): string {
  const runs: { type: string; count: number }[] = [];
  for (const type of places.map(formatType)) {
    const last = runs.at(-1);
    if (last?.type === type) last.count++;
    else runs.push({ type, count: 1 });
  }
  return runs.map(({ type, count }) => count > 1 ? `${count} ${type}` : type).join(", ");
}
