import type { Queryable } from '../model/database.js';
import { jsonb } from '../model/jsonb.js';

export interface BundleRow {
  readonly digest: string;
  /** SHA-256 of an archive of it. */
  readonly artifact: string;
  readonly project: string;
  readonly git_commit: string | null;
  readonly git_dirty: boolean | null;
  readonly files: Readonly<Record<string, string>>;
}

/** The same code again, perhaps in another archive: each stays. */
export async function saveBundle(database: Queryable, bundle: BundleRow): Promise<void> {
  await database.execute(
    `INSERT INTO plumbline.bundles AS b (digest, artifact, project, git_commit, git_dirty, files)
     VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (digest) DO UPDATE SET used_at = now(),
       other_artifacts = CASE WHEN excluded.artifact = ANY (b.artifact || b.other_artifacts) THEN b.other_artifacts
                              ELSE b.other_artifacts || excluded.artifact END`,
    [bundle.digest, bundle.artifact, bundle.project, bundle.git_commit, bundle.git_dirty, jsonb(bundle.files)],
  );
}

export async function findBundle(database: Queryable, digest: string): Promise<BundleRow | undefined> {
  const [row] = await database.query<BundleRow>('SELECT * FROM plumbline.bundles WHERE digest = $1', [digest]);
  return row;
}

/** SHA-256 of each archive that is known of the same code. */
export async function archivesOf(database: Queryable, digest: string): Promise<readonly string[]> {
  const [row] = await database.query<{ archives: string[] }>(
    'SELECT artifact || other_artifacts AS archives FROM plumbline.bundles WHERE digest = $1',
    [digest],
  );
  return row?.archives ?? [];
}
