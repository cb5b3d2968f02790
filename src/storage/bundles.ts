import type { Queryable } from '../model/database.js';
import { jsonb } from '../model/jsonb.js';

export interface BundleRow {
  readonly digest: string;
  readonly artifact: string;
  readonly project: string;
  readonly git_commit: string | null;
  readonly git_dirty: boolean | null;
  readonly files: Readonly<Record<string, string>>;
}

export async function saveBundle(database: Queryable, bundle: BundleRow): Promise<void> {
  await database.execute(
    `INSERT INTO plumbline.bundles (digest, artifact, project, git_commit, git_dirty, files)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (digest) DO UPDATE SET used_at = now()`,
    [bundle.digest, bundle.artifact, bundle.project, bundle.git_commit, bundle.git_dirty, jsonb(bundle.files)],
  );
}

export async function findBundle(database: Queryable, digest: string): Promise<BundleRow | undefined> {
  const [row] = await database.query<BundleRow>('SELECT * FROM plumbline.bundles WHERE digest = $1', [digest]);
  return row;
}
