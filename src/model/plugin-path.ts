/** Where the code bundle has the built module of a plug-in: `sources/github.ts` is `.plumbline-plugins/sources/github.ts.mjs`. */
export function pluginPath(module: string): string {
  return `.plumbline-plugins/${module}.mjs`;
}
