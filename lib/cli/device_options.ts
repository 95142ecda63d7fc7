// --device and --precision of the commands that take no configuration: what was written, checked and typed. Chooses no
// default (the run's own configuration, or the command, does) and opens no device. Refuses unknown names, and a precision
// for the reference device. May import lib/base, options and types of lib/run.

import { UserError } from "../base/errors.ts";
import type { DeviceRequest, Precision } from "../run/devices.ts";
import type { DeviceOptions } from "./options.ts";

export const PRECISIONS: readonly Precision[] = ["fp32", "bf16"];
const DEVICES: readonly DeviceRequest["kind"][] = ["auto", "cpu", "cuda", "emulated", "reference"];

/** The device and precision asked for, undefined where left out. */
export interface ChosenDevice {
  readonly kind: DeviceRequest["kind"] | undefined;
  readonly precision: Precision | undefined;
}

/** What the options say; UserError for a name that there is not. */
export function chosenDevice({ device, precision }: DeviceOptions): ChosenDevice {
  const kind = DEVICES.find((name) => name === device);
  if (device !== undefined && kind === undefined) {
    throw new UserError(`--device is "${device}", expected one of ${DEVICES.join(", ")}`);
  }
  const chosen = { kind, precision: chosenPrecision(precision) };
  requireOwnPrecision(kind, chosen.precision);
  return chosen;
}

/** Refuses --precision with the reference device, which computes in float64 only. */
export function requireOwnPrecision(
  kind: DeviceRequest["kind"] | undefined,
  precision: Precision | undefined,
): void {
  if (kind !== "reference" || precision === undefined) return;
  throw new UserError("The reference device is always float64; leave out --precision");
}

/** The precision that --precision names. */
function chosenPrecision(text: string | undefined): Precision | undefined {
  const found = PRECISIONS.find((name) => name === text);
  if (found || text === undefined) return found;
  throw new UserError(`--precision is "${text}", expected ${PRECISIONS.join(" or ")}`);
}
