// A trained model from a checkpoint, ready for forward-only programs: evaluation and sampling. Plans no gradients,
// loads no optimiser state and changes nothing on the disk. Refuses a model that does not fit into memory. May import
// lib/run, lib/plan, the model's parameters and the device interface.

import type { Device } from "../../ffi/device.ts";
import { parameterSpecs } from "../model/parameters.ts";
import { requireMemory } from "../plan/report.ts";
import { type Checkpoint, restoreTensors } from "./checkpoint.ts";
import { type Precision, targetOf, usableBytes } from "./devices.ts";
import { Executor } from "./executor.ts";
import { parameterTargets } from "./model_state.ts";
import { planRun } from "./programs.ts";
import { LONE, Ranks } from "./ranks.ts";

/** Which forward-only programs are wanted, and in sequences of what length. */
export interface ForwardRequest {
  readonly precision: Precision;
  readonly sequenceLength: number;
  /** The loss of each token (program `evaluate`). */
  readonly evaluate?: boolean;
  /** The next token of a text (programs `prefill` and `predict`). */
  readonly predict?: boolean;
}

/** An executor with the checkpoint's parameters, and nothing for training. The caller closes it and the device. */
export function loadModel(checkpoint: Checkpoint, device: Device, request: ForwardRequest): Executor {
  const { model } = checkpoint.state.config;
  const plan = planRun({ ...request, ...targetOf(device), model, deviceBatchSequences: 1 });
  requireMemory(plan, usableBytes(device.kind));
  const executor = new Executor(plan, device);
  restoreTensors(
    checkpoint.parameters,
    parameterTargets({ executor, specs: parameterSpecs(model), ranks: new Ranks(LONE) }),
  );
  executor.refresh();
  return executor;
}
