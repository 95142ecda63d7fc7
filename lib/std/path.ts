// @std/path under its own name: a re-export of the npm copy of Deno's standard library, with the types that the npm
// copy leaves out (path.d.ts beside this file). Only lib/std/ may import "deno-std/"; everything else imports
// "@std/path" through the import map.

// @ts-types="./path.d.ts"
export * from "deno-std/path/mod.js";
