import { TerminalError } from '../../errors.js';
import type { Session } from '../../model/database.js';
import type { ResourceConfig } from '../../model/project.js';
import { identifier } from '../../model/sql-identifier.js';
import { mergeKey, mergeStrategy } from './merge-key.js';
import { sqlName } from './unit.js';

interface Table {
  readonly schema: string;
  readonly name: string;
}

/**
 * Gives a table that rows are merged into what the strategy goes by: an index over its key, for `scd2` the two columns of
 * validity as well. Throws `ELT_MERGE_HISTORY` when a table of `scd2` is to be merged into in another way; a retry does not help.
 */
export async function prepareMerge(session: Session, target: Table, resource: ResourceConfig): Promise<void> {
  const strategy = mergeStrategy(resource);
  if (resource.write === 'merge' && strategy === 'scd2') await addValidity(session, target);
  else if (await hasValidity(session, target)) throw historyThere(target, resource);
  if (resource.write !== 'merge') return;
  if (strategy === 'upsert') return ensureIndex(session, target, resource.primaryKey, 'UNIQUE', '');
  const key = strategy === 'scd2' ? resource.primaryKey : mergeKey(resource);
  // Upsert's index would let a key have one row only.
  await dropUnique(session, target, key);
  return strategy === 'scd2'
    ? ensureIndex(session, target, key, 'UNIQUE', 'WHERE (_valid_to IS NULL)')
    : ensureIndex(session, target, key, '', '');
}

/** A table that was merged otherwise until now: its rows are valid since they were loaded. */
async function addValidity(session: Session, target: Table): Promise<void> {
  if (await hasValidity(session, target)) return;
  await session.execute(
    `ALTER TABLE ${sqlName(target)} ADD COLUMN _valid_from timestamptz, ADD COLUMN _valid_to timestamptz;
     UPDATE ${sqlName(target)} SET _valid_from = _loaded_at;
     ALTER TABLE ${sqlName(target)} ALTER _valid_from SET NOT NULL`,
  );
}

async function hasValidity(session: Session, target: Table): Promise<boolean> {
  const found = await session.query(
    `SELECT 1 FROM pg_attribute WHERE attrelid = $1::regclass AND attname = '_valid_to' AND NOT attisdropped`,
    [sqlName(target)],
    { isKept: true },
  );
  return found.length > 0;
}

function historyThere(target: Table, resource: ResourceConfig): TerminalError {
  const how = resource.write === 'merge' ? `merge: ${mergeStrategy(resource)}` : `write: ${resource.write}`;
  return new TerminalError(
    'ELT_MERGE_HISTORY',
    `Loading ${resource.id} into ${target.schema}.${target.name} with \`${how}\` failed: the table keeps former states of its rows, as \`merge: scd2\` made it.`,
    {
      at: resource.at,
      next: 'Set `merge: scd2` again, or name the source differently so that it gets a table of its own.',
    },
  );
}

interface Index {
  readonly name: string;
  readonly isUnique: boolean;
  readonly condition: string;
  readonly isConstraint: boolean;
}

/** Indexes over exactly these columns. */
async function indexesOver(session: Session, target: Table, key: readonly string[]): Promise<Index[]> {
  return session.query<Index>(
    `SELECT i.indexrelid::regclass::text AS name, i.indisunique AND i.indimmediate AS "isUnique",
       coalesce('WHERE ' || pg_get_expr(i.indpred, i.indrelid), '') AS condition,
       EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid) AS "isConstraint"
     FROM pg_index i WHERE i.indrelid = $1::regclass AND i.indnkeyatts = cardinality($2::text[]) AND i.indexprs IS NULL
       AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_attribute a
            WHERE a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey))
         = (SELECT array_agg(name ORDER BY name) FROM unnest($2::text[]) AS name)`,
    [sqlName(target), [...key]],
  );
}

/** Makes an index over these columns, unless there is one that does the same. */
export async function ensureIndex(
  session: Session,
  target: Table,
  key: readonly string[],
  unique: 'UNIQUE' | '',
  condition: string,
): Promise<void> {
  const found = (await indexesOver(session, target, key)).some(
    (index) => (index.isUnique || unique === '') && index.condition === condition,
  );
  if (!found)
    await session.execute(
      `CREATE ${unique} INDEX ON ${sqlName(target)} (${key.map(identifier).join(', ')}) ${condition}`,
    );
}

async function dropUnique(session: Session, target: Table, key: readonly string[]): Promise<void> {
  for (const index of await indexesOver(session, target, key))
    if (index.isUnique && index.condition === '' && !index.isConstraint)
      await session.execute(`DROP INDEX ${index.name}`);
}
