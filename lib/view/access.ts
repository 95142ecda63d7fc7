// Who may see a run's page: on this machine's own addresses every request that names one of them (a foreign name means
// that another site's script asks, by DNS rebinding), on other addresses whoever has the token. Answers requests that
// may not go on; serves nothing. May import node:crypto and the page's paths.

import { timingSafeEqual } from "node:crypto";
import { PAGE_PATH } from "./page_model.ts";

const TOKEN_BYTES = 24;
const TOKEN_KEY = "token";

/** The rule for a server that listens on `host`. */
export class Access {
  readonly #host: string;
  /** What a request must carry; undefined where it need not. */
  readonly token: string | undefined;

  constructor(host: string) {
    this.#host = host;
    const random = crypto.getRandomValues(new Uint8Array(TOKEN_BYTES));
    this.token = isLoopback(host) ? undefined : random.toBase64({ alphabet: "base64url" });
  }

  /** The address to open, with the token if there is one. */
  url(port: number): string {
    const isAny = this.#host === "0.0.0.0" || this.#host === "::";
    const name = isAny ? Deno.hostname() : this.#host;
    const query = this.token === undefined ? "" : `?${TOKEN_KEY}=${this.token}`;
    return `http://${name.includes(":") ? `[${name}]` : name}:${port}${PAGE_PATH}${query}`;
  }

  /** The answer to a request that may not go on; undefined: it may. */
  refusal(request: Request, port: number): Response | undefined {
    if (this.token === undefined) {
      const name = hostOf(request);
      if (name === this.#host || isLoopback(name)) return undefined;
      return new Response("This server answers for this machine's own address only\n", { status: 403 });
    }
    const url = new URL(request.url);
    const cookie = `nanogpt-${port}`;
    const given = url.searchParams.get(TOKEN_KEY);
    if (given === null && isSame(cookieOf(request, cookie), this.token)) return undefined;
    if (!isSame(given ?? "", this.token)) {
      return new Response("The token is missing or wrong: open the address that nanogpt printed\n", {
        status: 401,
      });
    }
    if (url.pathname !== PAGE_PATH) return undefined;
    // From now on the cookie stands for it, so that the token does not stay in the address.
    const headers = {
      location: PAGE_PATH,
      "set-cookie": `${cookie}=${this.token}; HttpOnly; SameSite=Lax; Path=/`,
    };
    return new Response(null, { status: 303, headers });
  }
}

/** Whether an address is reached from this machine only. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** The name in the Host header, without port and brackets. */
function hostOf(request: Request): string {
  const host = request.headers.get("host") ?? "";
  return host.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1").toLowerCase();
}

function cookieOf(request: Request, name: string): string {
  const pairs = (request.headers.get("cookie") ?? "").split(";").map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
}

/** Compares in a time that does not depend on where they differ. */
function isSame(given: string, expected: string): boolean {
  const [a, b] = [given, expected].map((text) => new TextEncoder().encode(text));
  return a !== undefined && b !== undefined && a.length === b.length && timingSafeEqual(a, b);
}
