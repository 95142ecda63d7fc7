// Elements of the page. Text that comes from outside (names, prompts, samples, logs) gets in as text only, never as
// markup; styles and listeners are set by properties, which a strict Content-Security-Policy allows. Knows no run.
// Browser code: the types of the DOM come in here, for all files of this folder.

/// <reference no-default-lib="true" />
/// <reference lib="esnext" />
/// <reference lib="dom" />
/// <reference lib="dom.iterable" />

/** What an element holds: other nodes, or text. */
export type Child = Node | string;

/** An element with attributes and children; strings become text. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** Foreign text among other text: what it does to the direction of writing ends where it ends. */
export function foreign(text: string): HTMLElement {
  return element("bdi", {}, visible(text));
}

/** Text whose control characters, but line feed and tab, show as a middle dot. What sets the direction of writing stays. */
export function visible(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n\t]/gu, "\u00b7");
}

/** A part of the page that is made anew only when what it shows has changed. */
export class Part<T> {
  readonly element: HTMLElement;
  readonly #render: (value: T) => readonly Child[];
  #shown: string | undefined;

  constructor(element: HTMLElement, render: (value: T) => readonly Child[]) {
    this.element = element;
    this.#render = render;
  }

  show(value: T): void {
    const now = JSON.stringify(value);
    if (now === this.#shown) return;
    this.#shown = now;
    this.element.replaceChildren(...this.#render(value));
  }
}

/** A titled section around `body`. */
export function section(title: string, body: HTMLElement, name: string): HTMLElement {
  return element("section", { class: `panel ${name}` }, element("h2", {}, title), body);
}
