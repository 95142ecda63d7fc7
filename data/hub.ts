// What the Hugging Face hub, or a plain mirror, says of a file before it is fetched: size, SHA-256, commit, whether it
// gives parts. Turns refusals into words. Fetches no file and keeps nothing; refuses addresses that would carry
// secrets into messages or manifests. Imports lib/base and http.ts.

import { RunError, UserError } from "../lib/base/errors.ts";
import { type Answer, Attempts, type Client, StatusError, type Token } from "./http.ts";

const HUB = "https://huggingface.co";

/** A file somewhere: its name here, its address there. */
export interface Source {
  readonly name: string;
  readonly url: URL;
}

/** A file as its server describes it. */
export interface RemoteFile extends Source {
  /** Bytes. */
  readonly size: number;
  /** Hex, where the server states it. */
  readonly sha256: string | undefined;
  /** The commit of the hub's repository. */
  readonly commit: string | undefined;
  /** The strong entity tag: changes with the content. */
  readonly etag: string | undefined;
  /** Whether the server gives parts. */
  readonly ranges: boolean;
}

/** Where the files of a hub's dataset lie, and what opens them. */
export interface Origin {
  urlOf(name: string): URL;
  readonly token: Token | undefined;
}

/** The dataset `repo` on the hub at `endpoint` (HF_ENDPOINT), with the token HF_TOKEN. UserError for a wrong one. */
export function hubDataset(repo: string, endpoint: string | undefined, secret: string | undefined): Origin {
  const base = parseBase(endpoint ?? HUB, "HF_ENDPOINT");
  if (secret !== undefined && !/^[\x21-\x7e]+$/.test(secret)) {
    throw new UserError("HF_TOKEN is no token: expected letters and digits without spaces or line ends");
  }
  return {
    urlOf: (name) => new URL(`datasets/${repo}/resolve/main/${name}`, base),
    token: secret === undefined ? undefined : { origin: base.origin, secret },
  };
}

/** A plain folder of files at `base`; never given a token. `what` names where it was said, for the UserError. */
export function plainFolder(base: string, what: string): Origin {
  const folder = parseBase(base, what);
  return { urlOf: (name) => new URL(name, folder), token: undefined };
}

function parseBase(text: string, what: string): URL {
  const url = URL.parse(text);
  if (!url || !/^https?:$/.test(url.protocol)) {
    throw new UserError(`${what} ${JSON.stringify(text)} is no address: expected one such as ${HUB}`);
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new UserError(
      `${what} must be a plain address: found user, password, query or fragment in the one for ${url.host}, which would ` +
        "end up in messages and in the manifest",
    );
  }
  return url.href.endsWith("/") ? url : new URL(`${url.href}/`);
}

/** Asks for the first byte, which tells all of it. Errors as explainStatus, RunError where no size is stated. */
export async function describeFile(
  client: Client,
  source: Source,
  signal: AbortSignal,
): Promise<RemoteFile> {
  const attempts = new Attempts(client, source.name);
  while (true) {
    try {
      const answer = await client.open(source.url, signal, { start: 0, end: 1 });
      try {
        return describe(source, answer);
      } finally {
        answer.close();
      }
    } catch (error) {
      if (error instanceof StatusError) throw explainStatus(client, source, error);
      await attempts.failed(error, signal);
    }
  }
}

function describe(source: Source, { status, headers, stated }: Answer): RemoteFile {
  const ranges = status === 206;
  const held = ranges
    ? /^bytes 0-0\/(\d+)$/.exec(headers.get("content-range") ?? "")?.[1]
    : headers.get("content-length");
  const states = (name: string) =>
    stated.map((head) => head.get(name)).find((value) => value !== null) ?? undefined;
  const linked = states("x-linked-size");
  if (held === null || held === undefined) {
    throw new RunError(
      `Cannot fetch ${source.url.href}: its server does not state its size; use another mirror`,
    );
  }
  if (linked !== undefined && linked !== held) {
    throw new RunError(
      `Cannot fetch ${source.url.href}: it is stated to have ${linked} bytes, but the server that holds it says ` +
        `${held}; try again later or use another mirror`,
    );
  }
  return {
    ...source,
    size: Number(held),
    sha256: /^"?([0-9a-f]{64})"?$/.exec(states("x-linked-etag") ?? "")?.[1],
    commit: states("x-repo-commit"),
    etag: /^"[^"]*"$/.exec(headers.get("etag") ?? "")?.[0],
    ranges,
  };
}

/** A refusal as what to do about it. */
export function explainStatus(client: Client, { name, url }: Source, { status }: StatusError): UserError {
  const cannot = `Cannot fetch ${name}`;
  const at = `at ${url.href} (${status})`;
  if (status === 404 || status === 410) {
    return new UserError(`${cannot}: there is no such file ${at}; check the address of the hub or mirror`);
  }
  const withToken = client.hasTokenFor(url);
  if (status === 401 && withToken) {
    return new UserError(
      `${cannot}: the token in HF_TOKEN is not accepted ${at}; make a new one in the hub's settings, or unset it`,
    );
  }
  if (status === 403 && withToken) {
    return new UserError(
      `${cannot}: the token in HF_TOKEN may not read it ${at}; ask for access on the dataset's page, or use a token ` +
        "with the right to read it",
    );
  }
  if (status === 401 || status === 403) {
    return new UserError(
      `${cannot}: it is not given to everybody ${at}; on the hub, ask for access on the dataset's page and set HF_TOKEN ` +
        "to a token of yours",
    );
  }
  return new UserError(`${cannot}: an answer without the file ${at}; check the address of the hub or mirror`);
}
