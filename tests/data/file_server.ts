// A server of files on the loopback for tests of downloads: ranges, the hub's way of sending elsewhere, and whatever a
// test wants to go wrong. Counts what it sends and keeps what it was asked. Ends with the test. Not a test itself.

import { createHash } from "node:crypto";
import { basename } from "@std/path";

/** One request. */
export interface Seen {
  /** The last part of the path. */
  readonly name: string;
  readonly authorization: string | null;
  /** Of the bytes asked for; undefined for all. */
  readonly span: { readonly start: number; readonly end: number } | undefined;
  /** How many requests for this name came before. */
  readonly nth: number;
}

/** What goes otherwise than planned. */
export interface Faults {
  /** Answers in place of the file, where it gives an answer. */
  readonly instead?: (seen: Seen) => Response | undefined | Promise<Response | undefined>;
  /** Milliseconds before each block of 64 KB. */
  readonly paceMs?: number;
  /** After how many bytes (a multiple of 64 KB) an answer breaks off: cut short, or silent from there on. */
  readonly breaks?: (seen: Seen) => { readonly after: number; readonly how: "cut" | "silent" } | undefined;
  /** Serves the whole file whatever is asked. */
  readonly ignoreRanges?: boolean;
}

const BLOCK = 65_536;

/** Files by name, under any path. */
export class FileServer implements AsyncDisposable {
  readonly seen: Seen[] = [];
  /** Bytes handed to the network, by name. */
  readonly sent = new Map<string, number>();
  faults: Faults;
  readonly #files: Readonly<Record<string, Uint8Array>>;
  readonly #ended = new AbortController();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor(files: Readonly<Record<string, Uint8Array>>, faults: Faults = {}) {
    this.#files = files;
    this.faults = faults;
    const options = { hostname: "127.0.0.1", port: 0, signal: this.#ended.signal, onListen() {} };
    this.#server = Deno.serve(
      { ...options, onError: () => new Response(null, { status: 500 }) },
      (request) => this.#answer(request),
    );
  }

  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Bytes sent of all files, or of one. */
  sentOf(name?: string): number {
    return name === undefined ? [...this.sent.values()].reduce((a, b) => a + b, 0) : this.sent.get(name) ?? 0;
  }

  /** Requests for a file, or all. */
  seenOf(name: string): Seen[] {
    return this.seen.filter((seen) => seen.name === name);
  }

  async #answer(request: Request): Promise<Response> {
    const name = basename(new URL(request.url).pathname);
    const match = /^bytes=(\d+)-(\d+)$/.exec(request.headers.get("range") ?? "");
    const seen: Seen = {
      name,
      authorization: request.headers.get("authorization"),
      span: match ? { start: Number(match[1]), end: Number(match[2]) + 1 } : undefined,
      nth: this.seenOf(name).length,
    };
    this.seen.push(seen);
    const bytes = this.#files[name];
    return await this.faults.instead?.(seen) ??
      (bytes ? this.#file(seen, bytes) : new Response("nothing here", { status: 404 }));
  }

  #file(seen: Seen, bytes: Uint8Array): Response {
    const span = this.faults.ignoreRanges ? undefined : seen.span;
    const part = span ? bytes.subarray(span.start, span.end) : bytes;
    const headers = new Headers({ "content-length": String(part.length) });
    if (span) {
      headers.set("content-range", `bytes ${span.start}-${span.start + part.length - 1}/${bytes.length}`);
    }
    return new Response(this.#stream(seen, part), { status: span ? 206 : 200, headers });
  }

  #stream(seen: Seen, part: Uint8Array): ReadableStream<Uint8Array> {
    let at = 0;
    const { paceMs = 0, breaks } = this.faults;
    const broken = breaks?.(seen);
    return new ReadableStream({
      pull: async (controller) => {
        if (paceMs > 0) await new Promise((wake) => setTimeout(wake, paceMs));
        if (broken && at >= broken.after) {
          if (broken.how === "cut") return controller.error(new Error("cut"));
          await new Promise((wake) => this.#ended.signal.addEventListener("abort", wake));
        }
        if (this.#ended.signal.aborted) return controller.close();
        const block = part.slice(at, at + BLOCK);
        at += block.length;
        this.sent.set(seen.name, this.sentOf(seen.name) + block.length);
        controller.enqueue(block);
        if (at === part.length) controller.close();
      },
    }, { highWaterMark: 0 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort();
    await this.#server.finished;
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const COMMIT = "0123456789abcdef0123456789abcdef01234567";

/** What the hub says of a file and sends elsewhere with, as its documentation and its clients have it. */
export function linkedHeaders(bytes: Uint8Array): Record<string, string> {
  return {
    "x-linked-size": String(bytes.length),
    "x-linked-etag": `"${sha256(bytes)}"`,
    "x-repo-commit": COMMIT,
  };
}

/** A hub, and the other host that it sends to: `hub` says of each file what it should, `cdn` holds the bytes. */
export class Hub implements AsyncDisposable {
  readonly cdn: FileServer;
  readonly hub: FileServer;

  constructor(
    files: Readonly<Record<string, Uint8Array>>,
    faults: Faults = {},
    stated: (name: string, bytes: Uint8Array) => Record<string, string> = (_, bytes) => linkedHeaders(bytes),
  ) {
    const cdn = new FileServer(files, faults);
    this.cdn = cdn;
    this.hub = new FileServer({}, {
      instead: ({ name }) => {
        const bytes = files[name];
        const location = `${cdn.url}/signed/${name}?Signature=hush`;
        return bytes && new Response(null, { status: 302, headers: { ...stated(name, bytes), location } });
      },
    });
  }

  get url(): string {
    return this.hub.url;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.hub[Symbol.asyncDispose](), this.cdn[Symbol.asyncDispose]()]);
  }
}

/** A listener that speaks whatever it likes: `speak` gets the request's head and the connection. */
export function rawServer(
  speak: (conn: Deno.Conn, head: string, nth: number) => Promise<void>,
): { readonly url: string } & AsyncDisposable {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const talk = async (conn: Deno.Conn, nth: number) => {
    const buffer = new Uint8Array(4096);
    try {
      const got = await conn.read(buffer);
      await speak(conn, new TextDecoder().decode(buffer.subarray(0, got ?? 0)), nth);
    } catch {
      // The other side is gone: that is what some tests are about.
    } finally {
      conn.close();
    }
  };
  const accepting = (async () => {
    const talks: Promise<void>[] = [];
    try {
      for await (const conn of listener) talks.push(talk(conn, talks.length));
    } catch {
      // Closed.
    }
    await Promise.all(talks);
  })();
  return {
    url: `http://127.0.0.1:${listener.addr.port}`,
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
    },
  };
}
