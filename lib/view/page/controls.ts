// What a reader can set: the axis, smoothing, logarithmic scales, which runs are shown and whose details. Keeps the
// settings and says when one has changed; draws no chart and fetches no run. Browser code; may import dom.ts, and types
// of its neighbours.

import type { Axis } from "../page_curves.ts";
import type { Zoom } from "./chart.ts";
import { element, foreign, Part } from "./dom.ts";

/** Steps over which the weight of a value halves; 0: no smoothing. */
const HALF_LIVES = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000];
/** Smoothing at first: about so many half-lives in a run. */
const SMOOTHED_PARTS = 150;
const AXES: readonly [Axis, string][] = [["step", "Steps"], ["tokens", "Tokens"], ["time", "Time"]];

/** What is set. */
export interface Settings {
  axis: Axis;
  halfLife: number;
  logX: boolean;
  logY: boolean;
  zoom: Zoom;
}

/** A run that can be chosen. */
export interface Choice {
  readonly name: string;
  readonly shown: boolean;
  /** Number of its colour, where it is shown. */
  readonly color: number | null;
  /** Whether it is always shown. */
  readonly fixed: boolean;
  readonly focus: boolean;
}

/** What the page does when a reader changes something. */
export interface ControlHandlers {
  readonly changed: () => void;
  readonly show: (name: string, on: boolean) => void;
  readonly focus: (name: string) => void;
}

/** The row of controls above the charts. */
export class Controls {
  readonly element: HTMLElement;
  readonly settings: Settings = { axis: "step", halfLife: 0, logX: false, logY: false, zoom: null };
  readonly #handlers: ControlHandlers;
  readonly #all: HTMLButtonElement;
  readonly #slider: HTMLInputElement;
  readonly #sliderText = element("output", { class: "value", for: "smoothing" });
  readonly #choices: Part<readonly Choice[]>;
  #isSmoothingSet = false;

  constructor(handlers: ControlHandlers) {
    this.#handlers = handlers;
    this.#all = element("button", { type: "button", class: "plain" }, "Show all");
    this.#all.addEventListener("click", () => this.zoom(null));
    this.#slider = element("input", {
      type: "range",
      id: "smoothing",
      min: "0",
      max: String(HALF_LIVES.length - 1),
      step: "1",
    });
    this.#slider.addEventListener("input", () => this.#smooth(Number(this.#slider.value)));
    this.#choices = new Part(element("div", { class: "choices" }), (choices) => this.#chooser(choices));
    this.element = element(
      "div",
      { class: "controls", role: "group", "aria-label": "Charts" },
      this.#axes(),
      element(
        "div",
        { class: "control" },
        element("label", { for: "smoothing" }, "Smoothing"),
        this.#slider,
        this.#sliderText,
      ),
      this.#check("Log loss", (on) => this.settings.logY = on),
      this.#check("Log axis", (on) => [this.settings.logX, this.settings.zoom] = [on, null]),
      this.#all,
      this.#choices.element,
    );
    this.zoom(null);
  }

  /** Smoothing that suits a run of so many steps, unless the reader has chosen one. */
  suit(steps: number): void {
    if (this.#isSmoothingSet) return;
    const at = HALF_LIVES.findIndex((halfLife) => halfLife >= steps / SMOOTHED_PARTS);
    this.#slider.value = String(at < 0 ? HALF_LIVES.length - 1 : at);
    this.#setHalfLife(Number(this.#slider.value));
  }

  /** Shows a part of the axis. */
  zoom(zoom: Zoom): void {
    this.settings.zoom = zoom;
    this.#all.disabled = zoom === null;
    this.#handlers.changed();
  }

  /** The runs to choose from. */
  choose(choices: readonly Choice[]): void {
    this.#choices.show(choices);
  }

  #smooth(at: number): void {
    this.#isSmoothingSet = true;
    this.#setHalfLife(at);
    this.#handlers.changed();
  }

  #setHalfLife(at: number): void {
    const halfLife = HALF_LIVES[at] ?? 0;
    this.settings.halfLife = halfLife;
    const text = halfLife === 0 ? "off" : `half-life ${halfLife} step${halfLife === 1 ? "" : "s"}`;
    this.#sliderText.textContent = text;
    this.#slider.setAttribute("aria-valuetext", text);
  }

  #axes(): HTMLElement {
    const group = element("fieldset", { class: "segments" }, element("legend", { class: "unseen" }, "Axis"));
    for (const [axis, text] of AXES) {
      const input = element("input", { type: "radio", name: "axis", value: axis });
      input.checked = axis === this.settings.axis;
      input.addEventListener("change", () => {
        this.settings.axis = axis;
        this.zoom(null);
      });
      group.append(element("label", {}, input, element("span", {}, text)));
    }
    return group;
  }

  #check(text: string, set: (on: boolean) => void): HTMLElement {
    const input = element("input", { type: "checkbox" });
    input.addEventListener("change", () => {
      set(input.checked);
      this.zoom(this.settings.zoom);
    });
    return element("label", { class: "control" }, input, text);
  }

  /** Boxes to show runs, and the choice of whose details are below; nothing where there is one run only. */
  #chooser(choices: readonly Choice[]): HTMLElement[] {
    if (choices.length < 2) return [];
    const list = element("ul", {}, ...choices.map((choice) => element("li", {}, this.#box(choice))));
    const shown = choices.filter((choice) => choice.shown);
    const others = element(
      "details",
      { class: "runs" },
      element("summary", {}, `Runs: ${shown.length} of ${choices.length} shown`),
      list,
    );
    others.open = this.#choices.element.querySelector("details")?.open ?? shown.length > 1;
    if (shown.length < 2) return [others];
    const select = element("select", { id: "focus" });
    for (const { name, focus } of shown) {
      const option = element("option", { value: name }, name);
      option.selected = focus;
      select.append(option);
    }
    select.addEventListener("change", () => this.#handlers.focus(select.value));
    const label = element("label", { for: "focus" }, "Details of");
    return [others, element("div", { class: "control" }, label, select)];
  }

  #box({ name, shown, color, fixed }: Choice): HTMLElement {
    const input = element("input", { type: "checkbox" });
    [input.checked, input.disabled] = [shown, fixed];
    input.addEventListener("change", () => this.#handlers.show(name, input.checked));
    const swatch = element("span", { class: "swatch strong", "aria-hidden": "true" });
    if (color !== null) swatch.style.color = `var(--line-${color % 8})`;
    return element("label", {}, input, swatch, foreign(name));
  }
}
