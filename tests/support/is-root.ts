/** Whether this is root, who may read every file; says which test is skipped for it. */
export function isRoot(test: string): boolean {
  const root = process.getuid?.() === 0;
  if (root) console.log(`skipped "${test}": root may read every file`);
  return root;
}
