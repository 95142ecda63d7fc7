// The plan of a run, made from its sizes alone: every program of the model that is asked for, over one arena. Opens
// no device and reads no file, so that a plan can be had on any machine; does not judge whether it fits. May import
// the graph, model, optimisers and plan.

import {
  accumulateGraph,
  type BatchShape,
  contextOf,
  evaluateGraph,
  logitsGraph,
  predictGraph,
} from "../model/gpt.ts";
import { type ModelConfig, parameterSpecs } from "../model/parameters.ts";
import type { OptimConfig } from "../optim/schedule.ts";
import { guardedGraph, updateGraph } from "../optim/update.ts";
import { buildPlan } from "../plan/build.ts";
import type { Plan } from "../plan/plan.ts";
import { activationType, planOptionsFor, type PlanTarget, type Precision } from "./devices.ts";

/** What a plan depends on. */
export interface PlanRequest extends PlanTarget {
  readonly model: ModelConfig;
  readonly precision: Precision;
  /** Tokens in a sequence and sequences in a microbatch. */
  readonly sequenceLength: number;
  readonly deviceBatchSequences: number;
  /** Present when the plan trains: optimiser constants, and the microbatches that make a step. */
  readonly training?: { readonly optim: OptimConfig; readonly microbatches: number };
  /** Whether the loss of each token can be had (program `evaluate`). */
  readonly evaluate?: boolean;
  /** Whether the logits after every token can be had (program `logits`). */
  readonly logits?: boolean;
  /** Whether a text can be gone on with (programs `prefill` and `predict`, over caches of keys and values). */
  readonly predict?: boolean;
}

/** Plans the programs that the request asks for. */
export function planRun(request: PlanRequest): Plan {
  const { model, training, sequenceLength: T, deviceBatchSequences } = request;
  const act = activationType(request.kind, request.precision);
  const batch: BatchShape = { rows: T * deviceBatchSequences, T, act };
  const context = contextOf(model, T);
  const options = planOptionsFor(request);
  return buildPlan({
    ...(training && {
      accumulate: guardedGraph(accumulateGraph(model, batch, training.microbatches)),
      update: updateGraph(parameterSpecs(model), training.optim, act, options.muonBatch ?? 1),
    }),
    forward: [
      ...(request.evaluate ? [evaluateGraph(model, batch)] : []),
      ...(request.logits ? [logitsGraph(model, batch)] : []),
      ...(request.predict
        ? (["prefill", "predict"] as const).map((name) => predictGraph(name, model, { context, act }))
        : []),
    ],
  }, options);
}
