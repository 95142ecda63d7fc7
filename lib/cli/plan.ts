// nanogpt plan: what a configuration's training costs, before any device is touched: the numbers of the plan, whether
// it fits into this machine's memory and, on request, the plan itself. Opens no device, but to learn whether `auto` would take
// a GPU, and reads no data; a plan that does not fit is an answer, not an error. May import lib/base, lib/config, lib/plan
// and lib/run.

import { formatBytes } from "../base/units.ts";
import { resolveConfig } from "../config/load.ts";
import { formatReport, reportPlan } from "../plan/report.ts";
import { formatPlan } from "../plan/text.ts";
import { planTarget, usableBytes } from "../run/devices.ts";
import { planTraining } from "../run/trainer.ts";
import type { Context } from "./context.ts";
import type { PlanOptions } from "./options.ts";
import { out } from "./output.ts";

/** Prints the plan's numbers, as text or as one JSON object; returns the exit code, 0 also when it does not fit here. */
export function plan(options: PlanOptions, { assets: { libraries }, environment }: Context): number {
  const { config } = resolveConfig(options);
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
