// nanogpt plan: what a configuration's training costs, before any device is touched: the numbers of the plan, whether
// it fits into this machine's memory and, on request, the plan itself; or what a step of it would take on a target
// machine. Opens no device, but to learn whether `auto` would take a GPU, and reads no data; a plan that does not fit is
// an answer, not an error. May import lib/base, lib/config, lib/plan and lib/run.

import { formatBytes } from "../base/units.ts";
import { resolveConfig } from "../config/load.ts";
import { PRESETS } from "../config/presets.ts";
import type { Config } from "../config/schema.ts";
import { project, type ProjectionRequest, projectSteps, sequencesPerRank } from "../plan/projection.ts";
import { formatProjection } from "../plan/projection_text.ts";
import { formatReport, reportPlan } from "../plan/report.ts";
import { RECORD, SOURCES, type Target, targetOf } from "../plan/targets.ts";
import { formatPlan, shapesOf } from "../plan/text.ts";
import { planTarget, usableBytes } from "../run/devices.ts";
import { planTraining } from "../run/trainer.ts";
import type { Context } from "./context.ts";
import type { PlanOptions } from "./options.ts";
import { out } from "./output.ts";

/** Prints the plan's numbers, as text or as one JSON object; returns the exit code, 0 also when it does not fit here. */
export function plan(options: PlanOptions, { assets: { libraries }, environment }: Context): number {
  const onto = options.target === undefined ? undefined : targetOf(options.target);
  const { config } = resolveConfig(options);
  if (onto) return planOnto(onto, config, options);
  const { data, device, preset } = config;
  const target = planTarget({ ...device, libraries, environment });
  const found = planTraining(config, target);
  const report = reportPlan(found, data.batchSequences / data.deviceBatchSequences);
  const tokensPerStep = data.batchSequences * data.sequenceLength;
  const available = usableBytes(target.kind);
  const fits = found.plannedBytes <= available;
  if (options.json) {
    const memory = { availableBytes: Number.isFinite(available) ? available : null, fits };
    const { precision } = device;
    const text = options.text ? { text: formatPlan(found) } : {};
    out.line(
      JSON.stringify({
        preset,
        device: target.kind,
        precision,
        tokensPerStep,
        ...report,
        ...memory,
        ...text,
      }),
    );
    return 0;
  }
  const where = `${preset}, ${device.precision}, device ${target.kind}`;
  out.write(`plan of         ${where}\n${formatReport(report, tokensPerStep)}`);
  out.line(`\nthis machine    ${memoryText(available, fits)}`);
  if (options.text) out.write(`\n${formatPlan(found)}`);
  return 0;
}

function memoryText(available: number, fits: boolean): string {
  if (!Number.isFinite(available)) return "memory not known before the device is opened";
  return `${formatBytes(available)} available: ${fits ? "fits" : "does not fit"}`;
}

/**
 * Prints what a training step would take on the target. The plan is one rank's, in bf16 whatever the device section
 * says, which is about this machine; UserError where the ranks cannot share the step's sequences out.
 */
function planOnto(target: Target, config: Config, { json, text }: PlanOptions): number {
  const { preset, model, data, optim, schedule } = config;
  const { sequenceLength, deviceBatchSequences, batchSequences } = data;
  const microbatches = sequencesPerRank(data, target) / deviceBatchSequences;
  const request: ProjectionRequest = {
    plan: planTraining(
      { ...config, device: { ...config.device, kind: "cuda", precision: "bf16" } },
      { kind: "cuda" },
      { rank: 0, ranks: target.ranks },
    ),
    target,
    model,
    sequenceLength,
    deviceBatchSequences,
    microbatches,
    nsSteps: optim.nsSteps,
    steps: schedule.steps,
  };
  const report = project(request);
  const steps = text ? projectSteps(request) : [];
  const tokensPerStep = batchSequences * sequenceLength;
  const isRecord = trainsAsRecord(config);
  if (json) {
    const listed = steps.map(({ step, ...times }) => ({
      ...{ phase: step.phase, op: step.op, shapes: shapesOf(step), flops: step.flops, bytes: step.bytes },
      ...times,
    }));
    out.line(JSON.stringify({
      ...{ preset, projected: true, target, precision: "bf16", tokensPerStep, microbatches },
      ...report,
      ...{ record: isRecord ? RECORD : null, sources: SOURCES },
      ...(text && { steps: listed }),
    }));
    return 0;
  }
  const { dim } = model;
  const context = { preset, target, microbatches, dim, tokensPerStep, steps: schedule.steps, isRecord };
  out.write(formatProjection(context, report, steps));
  return 0;
}

/** Whether the mathematics of training, data aside, are the record's: how its sequences are split changes nothing. */
function trainsAsRecord(config: Config): boolean {
  const mathematics = (
    { model, optim, schedule, data }: Pick<Config, "model" | "optim" | "schedule" | "data">,
  ) => JSON.stringify([model, optim, schedule, data.sequenceLength, data.batchSequences]);
  return mathematics(config) === mathematics(PRESETS["speedrun-2024-11-19"].values);
}
