/** Whether this is root, who may read every file; says which test is skipped for it. */
export function isRoot(test: string): boolean {
  const root = process.getuid?.() === 0;
  if (root) console.log(`skipped "${test}": root may read every file`);
  return root;
}

/** Does `work` as somebody who may not read every file: for root that is `nobody`, in this whole process. */
export async function asNormalUser<T>(work: () => Promise<T>): Promise<T> {
  if (process.getuid?.() !== 0) return work();
  process.setegid!(65534);
  process.seteuid!(65534);
  try {
    return await work();
  } finally {
    process.seteuid!(0);
    process.setegid!(0);
  }
}
