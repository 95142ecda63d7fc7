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
import { ALONE, exchanges, type Rank } from "../optim/sharing.ts";
import { guardedGraph, UPDATE_INPUTS, updateGraph } from "../optim/update.ts";
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
  /** Present when the plan trains. */
  readonly training?: TrainingRequest;
  /** Whether the loss of each token can be had (program `evaluate`). */
  readonly evaluate?: boolean;
  /** Whether the logits after every token can be had (program `logits`). */
  readonly logits?: boolean;
  /** Whether a text can be gone on with (programs `prefill` and `predict`, over caches of keys and values). */
  readonly predict?: boolean;
}

/** What a plan that trains depends on besides. */
export interface TrainingRequest {
  readonly optim: OptimConfig;
  /** Microbatches that make a step, over all ranks. */
  readonly microbatches: number;
  /** Whose plan it is; the only rank's where left out. */
  readonly rank?: Rank | undefined;
}

/** Plans the programs that the request asks for. */
export function planRun(request: PlanRequest): Plan {
  const { model, training, sequenceLength: T, deviceBatchSequences } = request;
  const act = activationType(request.kind, request.precision);
  const batch: BatchShape = { rows: T * deviceBatchSequences, T, act };
  const context = contextOf(model, T);
  const options = planOptionsFor(request);
  return buildPlan({
    ...(training && trainingGraphs(model, batch, training, options.muonBatch)),
    forward: [
      ...(request.evaluate ? [evaluateGraph(model, batch)] : []),
      ...(request.logits ? [logitsGraph(model, batch)] : []),
      ...(request.predict
        ? (["prefill", "predict"] as const).map((name) => predictGraph(name, model, { context, act }))
        : []),
    ],
  }, options);
}

function trainingGraphs(
  model: ModelConfig,
  batch: BatchShape,
  { optim, microbatches, rank = ALONE }: TrainingRequest,
  muonBatch = 1,
) {
  const specs = parameterSpecs(model);
  return {
    accumulate: guardedGraph(accumulateGraph(model, batch, microbatches)),
    update: updateGraph(specs, optim, batch.act, muonBatch, rank),
    exchange: exchanges(specs, UPDATE_INPUTS, rank.ranks),
    accumulatesLast: microbatches > rank.ranks,
  };
}
