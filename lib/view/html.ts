// The one file that a page is: markup, style, code and what it starts from. Allows nothing but its own code by a strict
// Content-Security-Policy (hashes of exactly that code), and embeds foreign text as JSON in which nothing reads as
// markup. Writes no file and serves none. May import lib/base, its neighbours and @std/path.

import { join } from "@std/path";
import { messageOf, UserError } from "../base/errors.ts";
import type { PageStart } from "./page_model.ts";

/** A page and the policy that it is to be served with. */
export interface Page {
  readonly html: string;
  readonly policy: string;
}

/** The page from its parts in `folder` (page.js, page.css). UserError where they have not been built. */
export async function buildPage(folder: string, start: PageStart): Promise<Page> {
  const [code, style] = [readPart(folder, "page.js"), readPart(folder, "page.css")];
  const policy = [
    "default-src 'none'",
    `script-src ${await hashOf(code)}`,
    `style-src ${await hashOf(style)}`,
    "img-src data:",
    start.kind === "live" ? "connect-src 'self'" : "connect-src 'none'",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>nanogpt</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<noscript>This page draws its charts with JavaScript, which is off here; metrics.jsonl and log.txt of the run hold the same numbers.</noscript>
<script type="application/json" id="start">${embedded(start)}</script>
<script>${code}</script>
</body>
</html>
`;
  return { html, policy };
}

/** JSON in which no character can end the script element or its line: the same value, written otherwise. */
export function embedded(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function readPart(folder: string, name: string): string {
  const path = join(folder, name);
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    const found = error instanceof Deno.errors.NotFound
      ? "it has not been built, run make"
      : messageOf(error);
    throw new UserError(`Cannot read a part of the page, ${path}: ${found}`);
  }
}

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `'sha256-${new Uint8Array(digest).toBase64()}'`;
}
