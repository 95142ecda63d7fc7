// GET over HTTP as downloads need it: redirects that take the token nowhere else, a limit to every silence, waiting
// where a server asks for it, trying again what may be gone the next time. Tells no token and no signed address in any
// message; reads nothing but http and https. Knows neither files nor the hub. Imports lib/base and spans.ts.

import { setTimeout as sleep } from "node:timers/promises";
import { messageOf, RunError } from "../lib/base/errors.ts";
import type { Span } from "./spans.ts";

/** How long to wait for what, in milliseconds. */
export interface Patience {
  /** Attempts in a row that bring nothing, before giving up. */
  readonly attempts: number;
  /** The wait after the first failure; it doubles with each. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** A connection that brings nothing for so long is given up. */
  readonly silenceMs: number;
  /** The longest that a server may ask to wait (Retry-After). */
  readonly longestAskedMs: number;
}

/** About a minute of an outage is sat out. */
export const PATIENCE: Patience = {
  attempts: 8,
  firstWaitMs: 500,
  longestWaitMs: 30_000,
  silenceMs: 30_000,
  longestAskedMs: 600_000,
};

/** The secret for one origin. */
export interface Token {
  readonly origin: string;
  readonly secret: string;
}

/** A failure that may be gone when tried again, not before `waitMs`. Attempts turns the last one into a RunError. */
export class TemporaryError extends Error {
  readonly waitMs: number;

  constructor(message: string, waitMs = 0) {
    super(message);
    this.waitMs = waitMs;
  }
}

/** An answer that says no. Whoever knows what was asked for turns it into words. */
export class StatusError extends Error {
  readonly status: number;

  constructor(host: string, status: number) {
    super(`${host} answered ${status}`);
    this.status = status;
  }
}

const MOST_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const TEMPORARY = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Addresses that a redirect leads to are signed for about an hour. */
const REDIRECT_LASTS_MS = 600_000;

/** The wait after `failures` in a row: doubling, and by chance (`random`, 0 to 1) down to its half, so that connections part. */
export function waitAfter(failures: number, patience: Patience, random: number): number {
  const whole = Math.min(patience.longestWaitMs, patience.firstWaitMs * 2 ** (failures - 1));
  return whole * (1 + random) / 2;
}

/** Milliseconds from `now` that a Retry-After asks for: seconds or a date; 0 without a readable one. */
export function retryAfterMs(headers: Headers, now: number): number {
  const text = headers.get("retry-after")?.trim() ?? "";
  const ms = /^\d+$/.test(text) ? 1000 * Number(text) : Date.parse(text) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : 0;
}

/** Makes requests, one client for all of a command. */
export class Client {
  readonly patience: Patience;
  readonly #token: Token | undefined;
  readonly #note: (text: string) => void;
  /** Many connections to one host, where HTTP/2 would take a single one. */
  readonly #pool = Deno.createHttpClient({ http1: true, http2: false });
  readonly #moved = new Map<string, { readonly url: URL; readonly until: number }>();
  #heldUntil = 0;

  /** `note` is told what is tried again. */
  constructor(note: (text: string) => void, token?: Token, patience: Patience = PATIENCE) {
    this.#note = note;
    this.#token = token;
    this.patience = patience;
  }

  /** Whether requests to this address carry a token. */
  hasTokenFor(url: URL): boolean {
    return this.#token?.origin === url.origin;
  }

  note(text: string): void {
    this.#note(text);
  }

  /**
   * Asks for `url`, or a span of it, and follows redirects. StatusError for a final no, TemporaryError for what may be
   * tried again, RunError for what makes no sense.
   */
  async open(url: URL, signal: AbortSignal, span?: Span): Promise<Answer> {
    const held = this.#heldUntil - performance.now();
    if (held > 0) await sleep(held, undefined, { signal });
    const moved = this.#moved.get(url.href);
    const start = moved && moved.until > performance.now() ? moved.url : url;
    try {
      return await this.#follow(url, start, signal, span);
    } catch (error) {
      this.#moved.delete(url.href);
      if (error instanceof TemporaryError && error.waitMs > 0) this.#hold(url, error.waitMs);
      throw error;
    }
  }

  /** No request of this client begins before the wait is over that a server asked for. */
  #hold({ host }: URL, waitMs: number): void {
    if (waitMs > this.patience.longestAskedMs) {
      const seconds = Math.ceil(waitMs / 1000);
      throw new RunError(
        `${host} asks to wait ${seconds} s before the next request; run the same command again after that`,
      );
    }
    this.#heldUntil = Math.max(this.#heldUntil, performance.now() + waitMs);
  }

  async #follow(url: URL, start: URL, signal: AbortSignal, span: Span | undefined): Promise<Answer> {
    const stated: Headers[] = [];
    let at = start;
    for (let hops = 0; hops <= MOST_REDIRECTS; hops++) {
      const answer = await this.#request(at, signal, span);
      if (at.origin === url.origin) stated.push(answer.headers);
      const next = REDIRECTS.has(answer.status) ? answer.headers.get("location") : null;
      if (next === null) {
        this.#judge(answer, url, at);
        if (at !== start) {
          this.#moved.set(url.href, { url: at, until: performance.now() + REDIRECT_LASTS_MS });
        }
        return answer.with(stated);
      }
      answer.close();
      at = redirected(next, at);
    }
    throw new RunError(`Cannot fetch ${url.href}: it redirects more than ${MOST_REDIRECTS} times`);
  }

  async #request(at: URL, user: AbortSignal, span: Span | undefined): Promise<Answer> {
    const headers = new Headers({ "accept-encoding": "identity" }); // ranges and sizes are of the file itself
    if (span) headers.set("range", `bytes=${span.start}-${span.end - 1}`);
    if (this.#token?.origin === at.origin) headers.set("authorization", `Bearer ${this.#token.secret}`);
    const silence = new Silence(at, this.patience.silenceMs, user);
    const init = { headers, redirect: "manual", signal: silence.signal, client: this.#pool } as const;
    return new Answer(at, await silence.during(() => fetch(at, init)), silence);
  }

  /** Throws unless the answer brings bytes. */
  #judge(answer: Answer, url: URL, at: URL): void {
    const { status, headers } = answer;
    if (
      (status === 200 || status === 206) && (headers.get("content-encoding") ?? "identity") === "identity"
    ) return;
    answer.close();
    if (status === 200 || status === 206) {
      throw new RunError(`${at.host} sends ${url.href} compressed, though asked not to; use another mirror`);
    }
    // Elsewhere than where it was asked for, a no is an expired address: the next attempt gets a fresh one.
    const expired = status >= 400 && status < 500 && at.origin !== url.origin;
    if (!TEMPORARY.has(status) && !expired) throw new StatusError(at.host, status);
    const waitMs = status === 429 || status === 503 ? retryAfterMs(headers, Date.now()) : 0;
    throw new TemporaryError(`${at.host} answered ${status}`, waitMs);
  }

  close(): void {
    this.#pool.close();
  }
}

/** Where a redirect leads. */
function redirected(location: string, from: URL): URL {
  const next = URL.parse(location, from.href);
  if (next && /^https?:$/.test(next.protocol)) return next;
  throw new RunError(`${from.host} redirects to an address that is neither http nor https`);
}

/** What came back: the head, and the body as it arrives. */
export class Answer {
  readonly host: string;
  readonly status: number;
  readonly headers: Headers;
  /** Heads of all answers of the origin that was asked, redirects too. */
  stated: readonly Headers[] = [];
  readonly #body: ReadableStream<Uint8Array> | null;
  readonly #silence: Silence;

  constructor(url: URL, { status, headers, body }: Response, silence: Silence) {
    this.host = url.host;
    this.status = status;
    this.headers = headers;
    this.#body = body;
    this.#silence = silence;
  }

  with(stated: readonly Headers[]): this {
    this.stated = stated;
    return this;
  }

  /** The body in the pieces it arrives in; the connection is given up where the caller stops early. */
  async *chunks(): AsyncGenerator<Uint8Array, void, void> {
    const reader = this.#body?.getReader();
    if (!reader) return;
    try {
      while (true) {
        const { done, value } = await this.#silence.during(() => reader.read());
        if (done) return;
        yield value;
      }
    } finally {
      this.close();
      reader.cancel().catch(() => undefined); // there is nothing more to say of it
    }
  }

  /** Drops whatever has not been read. */
  close(): void {
    this.#silence.end();
  }
}

/** One exchange with a host: aborted by the user's signal, and when nothing comes for too long. */
class Silence {
  readonly signal: AbortSignal;
  readonly #own = new AbortController();
  readonly #host: string;
  readonly #longestMs: number;

  constructor({ host }: URL, longestMs: number, user: AbortSignal) {
    this.#host = host;
    this.#longestMs = longestMs;
    this.signal = AbortSignal.any([user, this.#own.signal]);
  }

  /** Waits for the network; its failures, and too long a silence, are TemporaryErrors. */
  async during<T>(wait: () => Promise<T>): Promise<T> {
    const aborted = Promise.withResolvers<never>();
    const abort = () => aborted.reject(this.signal.reason);
    const silent = () => {
      this.#own.abort(new TemporaryError(`${this.#host} sent nothing for ${this.#longestMs / 1000} s`));
    };
    this.signal.throwIfAborted();
    const timer = setTimeout(silent, this.#longestMs);
    this.signal.addEventListener("abort", abort);
    try {
      // A body under way does not always see the signal that fetch was given (Deno 2.9.6): it is watched here too.
      return await Promise.race([wait(), aborted.promise]);
    } catch (error) {
      this.signal.throwIfAborted();
      throw new TemporaryError(`${this.#host}: ${withoutAddress(messageOf(error))}`);
    } finally {
      clearTimeout(timer);
      this.signal.removeEventListener("abort", abort);
    }
  }

  end(): void {
    this.#own.abort();
  }
}

/** Deno names the whole address, of which the query may be a signature. */
function withoutAddress(message: string): string {
  return message.replaceAll(/ ?\(?https?:\/\/[^\s]*/g, "").trim();
}

/** The attempts at one thing: waits between them, and gives up after too many that brought nothing. */
export class Attempts {
  readonly #client: Client;
  readonly #what: string;
  #failures = 0;

  constructor(client: Client, what: string) {
    this.#client = client;
    this.#what = what;
  }

  /** The attempt under way has brought something. */
  progressed(): void {
    this.#failures = 0;
  }

  /** Returns when it is time to try again; throws where there is no use. */
  async failed(error: unknown, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (!(error instanceof TemporaryError)) throw error;
    this.#failures++;
    const { patience } = this.#client;
    if (this.#failures >= patience.attempts) {
      throw new RunError(
        `Cannot fetch ${this.#what}: ${error.message}, and so ${this.#failures} times; check the network and run the ` +
          "same command again, it goes on where it was",
      );
    }
    const waitMs = Math.max(error.waitMs, waitAfter(this.#failures, patience, Math.random()));
    this.#client.note(`${this.#what}: ${error.message}; again in ${(waitMs / 1000).toFixed(1)} s`);
    await sleep(waitMs, undefined, { signal });
  }
}
