// The connection of a page to the server of its run: the stream of what is new, and runs beside it. A page in the
// background lets go of its stream (a browser has six for each server) and gets everything anew when it is looked at
// again. Draws nothing. Browser code; may import the page's model.

import {
  EVENTS_PATH,
  MORE_EVENT,
  RUN_EVENT,
  RUN_PATH,
  type RunMore,
  RUNS_PATH,
  type RunView,
} from "../page_model.ts";

/** A stream that was closed for good is opened again after so long. */
const RETRY_MS = 2000;

/** What the stream brings. */
export interface LiveHandlers {
  readonly run: (view: RunView) => void;
  readonly more: (more: RunMore) => void;
  /** The connection is gone; it is tried again. */
  readonly lost: () => void;
}

/** Follows the run for as long as the page is there. */
export function follow({ run, more, lost }: LiveHandlers): void {
  let stream: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  const open = () => {
    close();
    stream = new EventSource(EVENTS_PATH);
    stream.addEventListener(RUN_EVENT, ({ data }: MessageEvent<string>) => run(JSON.parse(data)));
    stream.addEventListener(MORE_EVENT, ({ data }: MessageEvent<string>) => more(JSON.parse(data)));
    stream.onerror = () => {
      lost();
      if (stream?.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY_MS);
    };
  };
  const close = () => {
    clearTimeout(retry);
    stream?.close();
    stream = undefined;
  };
  const suit = () => document.hidden ? close() : open();
  document.addEventListener("visibilitychange", suit);
  globalThis.addEventListener("pagehide", close);
  suit();
}

/** The names of the runs in the same folder, the newest first; none where they cannot be had. */
export async function fetchNames(): Promise<string[]> {
  try {
    const answer = await fetch(RUNS_PATH);
    return answer.ok ? await answer.json() : [];
  } catch {
    return [];
  }
}

/** One of those runs; undefined where it cannot be had. */
export async function fetchRun(name: string): Promise<RunView | undefined> {
  try {
    const answer = await fetch(`${RUN_PATH}?name=${encodeURIComponent(name)}`);
    return answer.ok ? await answer.json() : undefined;
  } catch {
    return undefined;
  }
}
