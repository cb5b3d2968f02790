import { createHash } from 'node:crypto';
import type { Queryable, Session } from '../../model/database.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import type { LoadColumn } from '../schema/column.js';
import type { LedgerLine } from './ledger.js';

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

/** Beside a stage: the rows of a child table, which stands at `position` among those of the resource. */
export function childStageName({ schema, name }: StageName, position: number): StageName {
  return { schema, name: `${name}_child_${position}` };
}

/** The stages of child tables that are beside those of loads, complete or not. */
export async function childStagesOf(
  session: Queryable,
  schema: string,
  loadIds: readonly string[],
): Promise<StageName[]> {
  return session.query<{ schema: string; name: string }>(
    `SELECT n.nspname AS schema, c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname ~ '^load_[0-9]+_child_[0-9]+$' AND split_part(c.relname, '_', 2) = ANY($2)`,
    [schema, [...loadIds]],
  );
}

/** Where a load's rows are: in a stage of its own, or among those of its group. */
export function stageOf(schema: string, { loadId, stageTable }: Pick<LedgerLine, 'loadId' | 'stageTable'>): StageName {
  return stageTable === null ? stageName(schema, loadId) : { schema, name: stageTable };
}

/** The stage of loads that share one, by the first of them: another attempt of it has another token, so it makes another one. */
export function groupStageName(schema: string, { loadId, token }: Pick<LedgerLine, 'loadId' | 'token'>): StageName {
  return { schema, name: `group_${loadId}_${token}` };
}

/** Whether other loads' rows may be there too. */
export function isGroupStage({ name }: StageName): boolean {
  return name.startsWith('group_');
}

/** Where a table is put together that takes the published one's place: of one resource only, also where it is of no load. */
export function publishName(
  schema: string,
  {
    resource,
    loads,
  }: { readonly resource: { readonly id: string }; readonly loads: readonly { readonly loadId: string }[] },
): StageName {
  const own = (): string => `0${createHash('sha256').update(resource.id).digest().readUIntBE(0, 6)}`;
  return { schema, name: `publish_${loads[0]?.loadId ?? own()}` };
}

/**
 * Whether a load has anything to say of its table: a file without rows has not, not even columns. One whose columns all go to child tables
 * has.
 */
export function isFilled({ reader, rowsRead }: Pick<LedgerLine, 'reader' | 'rowsRead'>): boolean {
  return rowsRead > 0 || (reader !== null && reader.columns.length > 0);
}

/** Loads whose rows are in one stage, side by side; in the order of their first. */
export function linesByStage(lines: readonly LedgerLine[]): (readonly LedgerLine[])[] {
  const stages = new Map<string, LedgerLine[]>();
  for (const line of lines) {
    const { name } = stageOf('', line);
    const others = stages.get(name);
    if (others === undefined) stages.set(name, [line]);
    else others.push(line);
  }
  return [...stages.values()];
}

/** Their rows are where they belong. */
export async function dropStages(session: Session, schema: string, lines: readonly LedgerLine[]): Promise<void> {
  for (const [first] of linesByStage(lines)) {
    const stage = stageOf(schema, first!);
    const children = first!.reader?.children?.map(({ table }) => table) ?? [];
    const tables = [stage.name, keysName(stage).name, ...children].map((name) => qualified(schema, name));
    await session.execute(`DROP TABLE IF EXISTS ${tables.join(', ')}`);
  }
}

/** An empty stage for several loads, whose rows say which one they are of. */
export async function createGroupStage(
  session: Session,
  stage: StageName,
  columns: readonly LoadColumn[],
): Promise<void> {
  const own = columns.map(({ name, type }) => `${identifier(name)} ${type}`).join(', ');
  await session.execute(
    `CREATE TABLE ${qualified(stage.schema, stage.name)} (${own}, _load_id bigint NOT NULL, _row_number bigint NOT NULL,
       _loaded_at timestamptz NOT NULL DEFAULT now())`,
  );
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
  const own = columns.map(({ name, type }) => `${identifier(name)} ${type}, `).join('');
  await session.execute(`DROP TABLE IF EXISTS ${table}`);
  await session.execute(
    `CREATE TABLE ${table} (${own}_load_id bigint NOT NULL DEFAULT ${BigInt(loadId)}, _row_number bigint NOT NULL,
       _loaded_at timestamptz NOT NULL DEFAULT now())`,
  );
}
