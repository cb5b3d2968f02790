import type { Session } from '../../model/database.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import type { LoadColumn } from '../schema/column.js';

export interface StageName {
  readonly schema: string;
  readonly name: string;
}

export function stageName(schema: string, loadId: string): StageName {
  return { schema, name: `load_${loadId}` };
}

/** Beside a stage: the keys of all rows that the source has, where rows that are gone are looked for. */
export function keysName({ schema, name }: StageName): StageName {
  return { schema, name: `${name}_keys` };
}

/**
 * An empty stage that has row numbers and lacks the loader's other columns: `completeStage` adds them when all rows are
 * there. They are constants, which PostgreSQL then keeps once for the table.
 */
export async function createNumberedStage(
  session: Session,
  stage: StageName,
  columns: readonly LoadColumn[],
): Promise<void> {
  const table = qualified(stage.schema, stage.name);
  const own = columns.map(({ name, type }) => `${identifier(name)} ${type}, `).join('');
  await session.execute(`DROP TABLE IF EXISTS ${table}`);
  await session.execute(`CREATE TABLE ${table} (${own}_row_number bigint NOT NULL)`);
}

export async function completeStage(session: Session, stage: StageName, loadId: string): Promise<void> {
  await session.execute(
    `ALTER TABLE ${qualified(stage.schema, stage.name)} ADD COLUMN _load_id bigint NOT NULL DEFAULT ${BigInt(loadId)},
       ADD COLUMN _loaded_at timestamptz NOT NULL DEFAULT now()`,
  );
}

/** An empty stage for one load; a former one of that name goes. The load's metadata are defaults, so COPY need not carry them. */
export async function createStage(
  session: Session,
  stage: StageName,
  loadId: string,
  columns: readonly LoadColumn[],
): Promise<void> {
  const table = qualified(stage.schema, stage.name);
  const own = columns.map(({ name, type }) => `${identifier(name)} ${type}`).join(', ');
  await session.execute(`DROP TABLE IF EXISTS ${table}`);
  await session.execute(
    `CREATE TABLE ${table} (${own}, _load_id bigint NOT NULL DEFAULT ${BigInt(loadId)}, _row_number bigint NOT NULL,
       _loaded_at timestamptz NOT NULL DEFAULT now())`,
  );
}
