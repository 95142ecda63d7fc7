// The parts of the page beside the charts: figures at the head, memory, samples, configuration, the end of the log.
// Says what the runs say, in text only: nothing of them becomes markup. Fetches nothing. Browser code; may import the
// page's model, its neighbours and lib/base.

import { formatBytes, formatCount, formatDuration } from "../../base/units.ts";
import type { RunView } from "../page_model.ts";
import { type Child, element, foreign, Part, section, visible } from "./dom.ts";
import { lastNumber } from "./runs.ts";

/** Everything about a run that is no chart. */
export class Details {
  readonly facts: HTMLElement;
  readonly notes: HTMLElement;
  readonly memory: HTMLElement;
  readonly samples: HTMLElement;
  readonly config: HTMLElement;
  readonly log: HTMLElement;
  readonly #facts = new Part(
    element("dl", { class: "facts" }),
    (facts: readonly Fact[]) => facts.map(factItem),
  );
  readonly #notes = new Part(
    element("ul", { class: "notes" }),
    (notes: RunView["notes"]) => notes.map((note) => element("li", {}, foreign(note))),
  );
  readonly #memory = new Part(element("div"), memoryBars);
  readonly #samples = new Part(element("div", { class: "texts" }), sampleTexts);
  readonly #config = new Part(element("div"), configTable);
  readonly #log = new Part(element("div"), logText);

  constructor() {
    this.facts = this.#facts.element;
    this.notes = this.#notes.element;
    this.memory = section("Memory by use, as planned", this.#memory.element, "memory");
    this.samples = section("Samples, the newest first", this.#samples.element, "samples");
    this.config = section("Configuration", this.#config.element, "config");
    this.log = section("End of log.txt", this.#log.element, "log");
  }

  /** Shows `run`; the configuration beside those of all `shown` runs. */
  show(run: RunView, shown: readonly RunView[]): void {
    this.#facts.show(factsOf(run));
    this.#notes.show(run.notes);
    this.#memory.show(run.memory);
    this.#samples.show(run.samples);
    this.#config.show(shown.map(({ name, config }) => ({ name, config })));
    this.#log.show(run.log);
  }
}

/** A figure at the head. */
interface Fact {
  readonly name: string;
  readonly value: string;
  /** Said in smaller letters. */
  readonly more?: string;
  /** How much of it is done, 0 to 1. */
  readonly share?: number;
}

function factsOf({ table, steps, tokensPerStep, live }: RunView): Fact[] {
  const step = table.step.at(-1) ?? 0;
  const seconds = lastNumber(table.seconds);
  const [train, val] = [lastNumber(table.trainLoss), lastNumber(table.valLoss)];
  const valStep = table.step[table.valLoss.findLastIndex((value) => value !== null)];
  const speed = lastNumber(table.tokensPerSecond);
  const peak = lastNumber(table.peakShare);
  const left = live && steps !== null && seconds !== undefined && step > 0
    ? seconds / step * (steps - step)
    : undefined;
  const tokens = tokensPerStep === null ? undefined : `${formatCount(step * tokensPerStep)} tokens`;
  return [
    {
      name: "Step",
      value: String(step),
      more: [steps === null ? "" : `of ${steps}`, tokens ?? ""].filter((text) => text !== "").join(", "),
      ...(steps !== null && { share: step / steps }),
    },
    { name: "Training loss", value: train?.toFixed(4) ?? "\u2013", more: "this step" },
    {
      name: "Validation loss",
      value: val?.toFixed(4) ?? "\u2013",
      more: valStep === undefined ? "none yet" : `at step ${valStep}`,
    },
    {
      name: "Tokens per second",
      value: speed === undefined ? "\u2013" : formatCount(speed),
      more: peak === undefined ? "" : `${(100 * peak).toFixed(0)} % of the machine's peak`,
    },
    {
      name: "Time of training",
      value: seconds === undefined ? "\u2013" : formatDuration(seconds),
      more: left === undefined ? "" : `about ${formatDuration(left)} left`,
    },
  ];
}

function factItem({ name, value, more, share }: Fact): Child {
  const item = element("div", {}, element("dt", {}, name), element("dd", { class: "figure" }, value));
  if (more) item.append(element("dd", { class: "more" }, more));
  if (share !== undefined) item.append(element("dd", { class: "progress" }, bar(share)));
  return item;
}

function bar(share: number): HTMLElement {
  const full = element("span", { class: "full" });
  full.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
  return element("span", { class: "bar", "aria-hidden": "true" }, full);
}

function memoryBars(memory: RunView["memory"]): Child[] {
  if (memory.length === 0) return [empty("No plan: the configuration is not known here")];
  const total = memory.reduce((sum, { bytes }) => sum + bytes, 0);
  const rows = memory.map(({ use, bytes }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, use),
      element("td", { class: "bars" }, bar(bytes / (memory[0]?.bytes || 1))),
      element("td", { class: "number" }, formatBytes(bytes)),
      element("td", { class: "number" }, `${(100 * bytes / total).toFixed(1)} %`),
    )
  );
  const sum = element(
    "tr",
    { class: "sum" },
    element("th", { scope: "row" }, "all"),
    element("td"),
    element("td", { class: "number" }, formatBytes(total)),
    element("td"),
  );
  return [element("table", {}, element("tbody", {}, ...rows, sum))];
}

function sampleTexts(samples: RunView["samples"]): Child[] {
  if (samples.length === 0) {
    return [empty("None yet; run.sampleEvery says after how many steps text is written")];
  }
  return samples.toReversed().map(({ step, text }) =>
    element(
      "article",
      {},
      element("h3", {}, `After step ${step}`),
      element("p", { class: "sample", dir: "auto" }, foreign(text)),
    )
  );
}

type RunConfig = Pick<RunView, "name" | "config">;

/** Keys and values; of one run with where each came from, of several side by side with what differs marked. */
function configTable(runs: readonly RunConfig[]): Child[] {
  const known = runs.filter(({ config }) => config.length > 0);
  const [first] = known;
  if (!first) return [empty("Not known: there is no config.json")];
  const isAlone = known.length === 1;
  const values = new Map(
    known.map(({ name, config }) => [name, new Map(config.map((entry) => [entry.key, entry.value]))]),
  );
  const rows = first.config.map(({ key, value, source }) => {
    const others = known.slice(1).map(({ name }) => values.get(name)?.get(key) ?? "");
    const differs = others.some((other) => other !== value);
    return element(
      "tr",
      differs ? { class: "differs" } : {},
      element("th", { scope: "row" }, key),
      ...[value, ...others].map((text) => element("td", {}, foreign(text))),
      ...(isAlone ? [element("td", { class: "source" }, foreign(source))] : []),
    );
  });
  const heads = isAlone ? ["Value", "From"] : known.map(({ name }) => name);
  const head = element(
    "tr",
    {},
    element("th", { scope: "col" }, "Key"),
    ...heads.map((text) => element("th", { scope: "col" }, foreign(text))),
  );
  const table = element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows));
  return [
    element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Configuration" }, table),
  ];
}

function logText(log: string): Child[] {
  if (log === "") return [empty("Nothing yet")];
  const lines = element("pre", {
    class: "scroll",
    tabindex: "0",
    role: "region",
    "aria-label": "End of log.txt",
  });
  lines.append(visible(log));
  requestAnimationFrame(() => lines.scrollTop = lines.scrollHeight);
  return [lines];
}

function empty(text: string): HTMLElement {
  return element("p", { class: "empty" }, text);
}
