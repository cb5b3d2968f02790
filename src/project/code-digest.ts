import { PipelineError } from '../errors.js';
import { bundleDigest, contentHashes } from './bundle-digest.js';
import { bundleEntries } from './bundle-entries.js';

/** The digest that a bundle of the files as they are now would have; undefined where they cannot be packed. */
export async function codeDigest(root: string): Promise<string | undefined> {
  try {
    return bundleDigest(contentHashes(await bundleEntries(root)));
  } catch (error) {
    if (error instanceof PipelineError) return undefined;
    throw error;
  }
}
