import { requireSharedStore } from '../client/connect.js';
import { recordBundle, type RunRequest } from '../client/start-run.js';
import type { Settings } from '../config.js';
import { packBundle } from '../project/pack-bundle.js';
import type { OpenDatabase } from '../storage/database.js';

/** Puts the project's code into the store that the workers see, and records it. Throws what `requireSharedStore` and `packBundle` do. */
export async function sendBundle(
  settings: Settings,
  database: OpenDatabase,
  project: string,
): Promise<RunRequest['bundle']> {
  const store = await requireSharedStore(settings, database);
  const bundle = await packBundle({ root: settings.root, store });
  await recordBundle(database, project, bundle);
  return { digest: bundle.digest, artifact: bundle.artifact.sha256 };
}
