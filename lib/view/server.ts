// The live page of a run over HTTP: the page, its stream, and the runs beside it in the same folder. Reads files only,
// answers GET only, and takes no path from a request: a run is chosen among the names found in the folder. Whatever
// fails here is answered or noted and never reaches the training. May import lib/base, lib/run and its neighbours.

import { basename, dirname, join, resolve } from "@std/path";
import { messageOf, UserError } from "../base/errors.ts";
import { VERSION } from "../base/version.ts";
import { RUN_FILES } from "../run/folder.ts";
import { Access } from "./access.ts";
import { buildPage, type Page } from "./html.ts";
import { LiveFeed } from "./live_feed.ts";
import { viewRun } from "./page_data.ts";
import { EVENTS_PATH, PAGE_PATH, RUN_PATH, RUNS_PATH } from "./page_model.ts";
import { readRun } from "./run_data.ts";

/** Where the page is when no port is asked for; the ports after it are tried where it is taken. */
const DEFAULT_PORT = 8124;
const PORTS_TRIED = 20;
export const DEFAULT_HOST = "127.0.0.1";
const MOST_READERS = 64;
const MOST_OTHER_RUNS = 200;
/** How long the last messages may take to go out. */
const CLOSING_MS = 1000;

/** What a server needs. */
export interface ServerOptions {
  /** The run's folder. */
  readonly folder: string;
  /** The folder of the page's parts. */
  readonly page: string;
  readonly host: string;
  /** undefined: the first free one from the default on. */
  readonly port: number | undefined;
  /** Told what a user should know. */
  readonly note: (text: string) => void;
}

/** A server under way. */
export class PageServer implements AsyncDisposable {
  readonly #options: ServerOptions;
  readonly #page: Page;
  readonly #access: Access;
  readonly #feed: LiveFeed;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #abort = new AbortController();

  private constructor(options: ServerOptions, page: Page) {
    this.#options = options;
    this.#page = page;
    this.#access = new Access(options.host);
    this.#feed = new LiveFeed(options.folder, options.note);
    this.#server = this.#listen();
  }

  /** Starts serving. UserError where the page has not been built or there is no such host or free port. */
  static async start(options: ServerOptions): Promise<PageServer> {
    const start = { kind: "live", version: VERSION, name: basename(resolve(options.folder)) } as const;
    return new PageServer(options, await buildPage(options.page, start));
  }

  /** The address to open. */
  get url(): string {
    return this.#access.url(this.#server.addr.port);
  }

  /** Sends the run's last news and stops serving. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#feed.end();
    this.#feed.close();
    const late = setTimeout(() => this.#abort.abort(), CLOSING_MS);
    await this.#server.shutdown().catch(() => {});
    clearTimeout(late);
  }

  #listen(): Deno.HttpServer<Deno.NetAddr> {
    const { host, port } = this.#options;
    const ports = port !== undefined
      ? [port]
      : Array.from({ length: PORTS_TRIED }, (_, i) => DEFAULT_PORT + i);
    for (const tried of ports) {
      try {
        return Deno.serve({
          hostname: host,
          port: tried,
          signal: this.#abort.signal,
          onListen: () => {},
          onError: () => answer("Something failed here\n", 500),
        }, (request) => this.#answer(request));
      } catch (error) {
        if (error instanceof Deno.errors.AddrInUse && tried !== ports.at(-1)) continue;
        const found = error instanceof Deno.errors.AddrInUse ? "it is in use" : messageOf(error);
        throw new UserError(
          `Cannot serve the page on ${host} port ${tried}: ${found}; choose another with --serve PORT or --host`,
        );
      }
    }
    throw new UserError(`Cannot serve the page on ${host}: no port to try`);
  }

  #answer(request: Request): Response {
    const refusal = this.#access.refusal(request, this.#server.addr.port);
    return refusal ? guarded(refusal) : this.#route(request);
  }

  #route(request: Request): Response {
    if (request.method !== "GET") return answer("Only GET is answered here\n", 405, { allow: "GET" });
    const { pathname, searchParams } = new URL(request.url);
    switch (pathname) {
      case PAGE_PATH:
        return answer(this.#page.html, 200, {
          "content-type": "text/html; charset=utf-8",
          "content-security-policy": `${this.#page.policy}; frame-ancestors 'none'`,
        });
      case EVENTS_PATH:
        if (this.#feed.readers >= MOST_READERS) return answer("Too many pages are open\n", 503);
        return answer(this.#feed.open(), 200, { "content-type": "text/event-stream" });
      case RUNS_PATH:
        return json([...this.#otherRuns().keys()]);
      case RUN_PATH: {
        const path = this.#otherRuns().get(searchParams.get("name") ?? "");
        return path === undefined
          ? answer("There is no such run\n", 404)
          : json(viewRun(readRun(path), false));
      }
      default:
        return answer("There is nothing here\n", 404);
    }
  }

  /** The other runs in the folder that this run's folder lies in: name and path, the newest first. */
  #otherRuns(): ReadonlyMap<string, string> {
    const own = resolve(this.#options.folder);
    const parent = dirname(own);
    const found = [...Deno.readDirSync(parent)].flatMap(({ name, isDirectory }) => {
      const path = join(parent, name);
      const changed = isDirectory && path !== own ? changedAt(join(path, RUN_FILES.metrics)) : undefined;
      return changed === undefined ? [] : [{ name, path, changed }];
    });
    const newest = found.sort((a, b) => b.changed - a.changed).slice(0, MOST_OTHER_RUNS);
    return new Map(newest.map(({ name, path }) => [name, path]));
  }
}

/** When a file was written last, in milliseconds; undefined where there is none. A link, which may lead elsewhere, is none. */
function changedAt(path: string): number | undefined {
  try {
    const { isFile, mtime } = Deno.lstatSync(path);
    return isFile ? mtime?.getTime() ?? 0 : undefined;
  } catch {
    return undefined;
  }
}

function json(value: unknown): Response {
  return answer(JSON.stringify(value), 200, { "content-type": "application/json" });
}

function answer(body: BodyInit, status: number, headers: Readonly<Record<string, string>> = {}): Response {
  return guarded(
    new Response(body, { status, headers: { "content-type": "text/plain; charset=utf-8", ...headers } }),
  );
}

/** Headers of every answer. "no-transform": packing a stream would hold it back. */
function guarded(response: Response): Response {
  const { headers } = response;
  if (!headers.has("content-security-policy")) {
    headers.set("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
  }
  headers.set("cache-control", "no-store, no-transform");
  headers.set("cross-origin-resource-policy", "same-origin");
  headers.set("referrer-policy", "no-referrer");
  headers.set("x-content-type-options", "nosniff");
  return response;
}
