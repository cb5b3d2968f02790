import type { z } from 'zod';
import type { SnapshotConfig } from '../model/project.js';
import { positionAt, type LocatedYaml } from './located-yaml.js';
import type { Problem } from './problem.js';
import type { transformHeader } from './schema/headers.js';

type Header = z.infer<typeof transformHeader>;

/** The settings of a snapshot; undefined for any other table, and when something is wrong with them. */
export function resolveSnapshot(
  { file, header, yaml }: { readonly file: string; readonly header: Header; readonly yaml: LocatedYaml },
  isSnapshot: boolean,
  { report, applied }: { readonly report: (problem: Problem) => void; readonly applied: (line: string) => void },
): SnapshotConfig | undefined {
  const { strategy, unique_key, updated_at, check_cols, hard_deletes, invalidate_hard_deletes, allow_empty } = header;
  const refuse = (key: string, what: string, next: string): undefined => {
    const message = `Reading ${file} failed: ${what}.`;
    report({ code: 'PROJECT_VALUE_INVALID', message, at: positionAt(yaml, [key], 'key'), next });
    return undefined;
  };
  if (!isSnapshot) {
    const keys = ['updated_at', 'check_cols', 'hard_deletes', 'invalidate_hard_deletes', 'allow_empty'] as const;
    const key = keys.find((one) => header[one] !== undefined);
    if (key !== undefined) refuse(key, `${key} is for snapshots`, 'Add `-- materialized: snapshot`.');
    return undefined;
  }
  const other = (['interval_column', 'on_schema_change'] as const).find((one) => header[one] !== undefined);
  if (other !== undefined) return refuse(other, `${other} is for incremental tables`, 'Remove it.');
  if (unique_key === undefined)
    return refuse('materialized', 'a snapshot needs unique_key', 'Write `-- unique_key: …`, what names a row.');
  if (strategy === 'merge' || strategy === 'delete+insert')
    return refuse('strategy', `strategy ${strategy} is for incremental tables`, 'Write `timestamp` or `check`.');
  if (updated_at !== undefined && check_cols !== undefined)
    return refuse('check_cols', 'updated_at and check_cols exclude each other', 'Remove one of the two.');
  const chosen = strategy ?? (updated_at === undefined ? 'check' : 'timestamp');
  if (chosen === 'timestamp' && updated_at === undefined)
    return refuse('strategy', 'strategy timestamp needs updated_at', 'Write `-- updated_at: …`, when a row changed.');
  if (chosen === 'check' && check_cols === undefined)
    return refuse(
      'materialized',
      'a snapshot needs updated_at or check_cols',
      'Write `-- updated_at: …` or `-- check_cols: all`.',
    );
  if (hard_deletes !== undefined && invalidate_hard_deletes !== undefined)
    return refuse('invalidate_hard_deletes', 'it says the same as hard_deletes', 'Remove one of the two.');
  if (strategy === undefined) applied(`${file}: strategy = ${chosen}`);
  if (hard_deletes === undefined && invalidate_hard_deletes === undefined) applied(`${file}: hard_deletes = ignore`);
  return {
    uniqueKey: [unique_key].flat(),
    ...(updated_at === undefined ? {} : { updatedAt: updated_at }),
    checkColumns: check_cols === 'all' || check_cols === undefined ? 'all' : [check_cols].flat(),
    closesDeleted: (hard_deletes ?? 'ignore') !== 'ignore' || invalidate_hard_deletes === true,
    ...(hard_deletes === 'new_record' ? { recordsDeleted: true as const } : {}),
    allowEmpty: allow_empty ?? false,
  };
}
