/** Where the code bundle has the built module of a plug-in or of a parser: `sources/github.ts` is `.plumbline-plugins/sources/github.ts.mjs`. */
export function pluginPath(module: string): string {
  return `.plumbline-plugins/${module}.mjs`;
}

/** Whether a parser's module is built, with all that it imports; one in JavaScript runs as it is. */
export function isBuilt(parser: string): boolean {
  return /\.m?ts$/.test(parser);
}
