import { loadSettings } from '../config.js';
import { PipelineError, TransientError } from '../errors.js';
import { UPGRADE, withDatabase } from './database-checks.js';

/** An error that PostgreSQL gives because its tables are those of an earlier version, told as that (`PG_NOT_MIGRATED`); every other one as it is. */
export async function orFormerSchema(error: unknown, from: Parameters<typeof loadSettings>[0]): Promise<unknown> {
  // An unknown column, table or function.
  const isUnknown = /^42(703|P01|883)$/.test(String((error as { code?: unknown } | undefined)?.code));
  if (error instanceof PipelineError || !isUnknown) return error;
  try {
    const { databaseUrl } = await loadSettings(from);
    const { missingMigrations } = await import('../storage/missing-migrations.js');
    const missing = databaseUrl === undefined ? [] : await withDatabase(databaseUrl, missingMigrations);
    if (missing.length === 0) return error;
    return new TransientError(
      'PG_NOT_MIGRATED',
      `The database is that of an earlier version of plumbline: ${missing.join(', ')} missing.`,
      { next: UPGRADE, cause: error },
    );
  } catch {
    return error;
  }
}
