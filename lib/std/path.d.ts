// Types of the part of @std/path that this project uses; the npm copy ships none. A name missing here is a compile
// error where it is imported: add it here, with the signature of the documentation. Declarations only, nothing of the
// project's own. Imports nothing.

/** The folder separator of this system. */
export const SEPARATOR: string;

export interface ParsedPath {
  root: string;
  dir: string;
  base: string;
  ext: string;
  name: string;
}

export interface GlobOptions {
  extended?: boolean;
  globstar?: boolean;
  os?: "darwin" | "linux" | "windows";
  caseInsensitive?: boolean;
}

export function basename(path: string, suffix?: string): string;
export function common(paths: string[]): string;
export function dirname(path: string): string;
export function extname(path: string): string;
export function fromFileUrl(url: string | URL): string;
export function globToRegExp(glob: string, options?: GlobOptions): RegExp;
export function isAbsolute(path: string): boolean;
export function isGlob(text: string): boolean;
export function join(path: string, ...paths: string[]): string;
export function normalize(path: string): string;
export function parse(path: string): ParsedPath;
export function relative(from: string, to: string): string;
export function resolve(...paths: string[]): string;
export function toFileUrl(path: string): URL;
