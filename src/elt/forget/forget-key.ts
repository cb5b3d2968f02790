import { TerminalError } from '../../errors.js';
import type { Project } from '../../model/project.js';
import type { ErasedPlace, Erasure } from './erase-place.js';
import { erasePredictions } from './erase-predictions.js';
import { eraseQuarantine } from './erase-quarantine.js';
import { eraseRawObjects } from './erase-raw-objects.js';
import { eraseRecords } from './erase-records.js';
import { eraseTables } from './erase-tables.js';
import { eraseTrainingSets } from './erase-training-sets.js';
import { findSpellings, recordSpellings } from './spellings.js';
import { whatIsLeft } from './what-is-left.js';

export interface ErasureReport {
  readonly erasureId: string;
  readonly key: string;
  readonly dryRun: boolean;
  readonly erased: readonly ErasedPlace[];
  /** What holds, or may hold, the person's rows and was not touched, one sentence each. */
  readonly left: readonly string[];
}

export type ForgetOptions = Omit<Erasure, 'key' | 'value' | 'spellings' | 'dryRun'>;

/**
 * Deletes the rows of one key from the project's tables, quarantine, predictions, raw objects and training sets of no registered model, and takes it out of what
 * programs printed and messages quote.
 * The key's hash was recorded before, so loads take out what comes again. Call it while holding the project's lease. Each place is one
 * transaction with its count: killed at any point, another attempt goes on. At the end the value is erased from the record too.
 * Throws `FORGET_KEY_UNKNOWN`, `FORGET_COLUMN_MISSING` (terminal).
 */
export async function forgetKey(options: ForgetOptions): Promise<ErasureReport> {
  const { database, project, erasureId } = options;
  const [asked] = await database.query<{
    key: string;
    value: string | null;
    dryRun: boolean;
    report: ErasureReport | null;
  }>(`SELECT key_name AS key, value, dry_run AS "dryRun", report FROM plumbline.erasures WHERE erasure_id = $1`, [
    erasureId,
  ]);
  if (asked?.report != null) return asked.report;
  const key = project.personal.find((one) => one.key === asked!.key);
  if (key === undefined) throw keyUnknown(project, asked!.key);
  const value = asked!.value!;
  const spellings = await findSpellings({ database, project, key, value });
  const work: Erasure = { ...options, key, value, spellings, dryRun: asked!.dryRun };
  if (!work.dryRun) await recordSpellings(work);
  // A dry run that is tried again counts anew.
  if (work.dryRun) await database.execute('DELETE FROM plumbline.erased WHERE erasure_id = $1', [erasureId]);
  await eraseTables(work);
  await eraseQuarantine(work);
  await erasePredictions(work);
  const unread = await eraseRawObjects(work);
  const models = await eraseTrainingSets(work);
  await eraseRecords(work);
  const report: ErasureReport = {
    erasureId,
    key: key.key,
    dryRun: work.dryRun,
    erased: await database.query<ErasedPlace>(
      `SELECT kind, place, row_count::float8 AS rows, outcome FROM plumbline.erased
       WHERE erasure_id = $1 AND row_count > 0 ORDER BY kind DESC, place`,
      [erasureId],
    ),
    left: [...models, ...unread, ...(await whatIsLeft(work))],
  };
  // Also of requests for the same key that never came this far.
  await database.execute(
    `UPDATE plumbline.erasures e SET value = NULL, report = $2, ended_at = clock_timestamp()
     FROM plumbline.erasures done WHERE done.erasure_id = $1 AND (e.erasure_id = $1 OR (NOT done.dry_run AND e.ended_at IS NULL
       AND (e.env, e.project, e.key_name, e.key_hash) = (done.env, done.project, done.key_name, done.key_hash)))`,
    [erasureId, JSON.stringify(report)],
  );
  return report;
}

export function keyUnknown({ name, personal }: Pick<Project, 'name' | 'personal'>, key: string): TerminalError {
  const known = personal.map((one) => one.key);
  return new TerminalError(
    'FORGET_KEY_UNKNOWN',
    `Forgetting a ${key} of ${name} failed: plumbline.yaml does not say where one is.`,
    {
      at: { file: 'plumbline.yaml' },
      next:
        known.length === 0
          ? `Add \`personal: { ${key}: { sources: { … } } }\`.`
          : `Name one of ${known.join(', ')}, or add \`personal.${key}\`.`,
    },
  );
}
