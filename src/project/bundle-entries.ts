import { buildPlugins } from './build-plugins.js';
import { listBundleFiles, type BundleFile } from './bundle-files.js';

/** The project's code as it travels, sorted by path: its files, and its plug-ins built. Errors as `listBundleFiles` and `buildPlugins`. */
export async function bundleEntries(root: string): Promise<BundleFile[]> {
  const code = await listBundleFiles(root);
  return [...code, ...(await buildPlugins(root))].sort((one, other) => (one.path < other.path ? -1 : 1));
}
