import { TerminalError } from '../../errors.js';
import type { ResultColumn, Session } from '../../model/database.js';
import { didYouMean } from '../../model/nearest.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { identifier, qualified } from '../../model/sql-identifier.js';
import { nestedTypes } from '../load/plan-reader.js';
import type { LoadColumn } from '../schema/column.js';
import { nameColumns } from '../schema/name-columns.js';
import { sourceInterval, type SourceInterval } from './asked-rows.js';
import { sourceCursor, type SourceCursor } from './cursor-range.js';
import type { FoundRelation } from './find-relation.js';
import { mapColumn } from './source-types.js';

/** A table, view or query of a source, as the transaction's snapshot has it. */
export interface SourceDescription {
  /** What stands behind FROM; its alias is q. */
  readonly from: string;
  /** As the warehouse names them; `header` is the name in the source. */
  readonly columns: readonly LoadColumn[];
  /** The same, as the source has them. */
  readonly given: readonly ResultColumn[];
  /** The values of `columns`, in their order, as SQL over q; behind them those of `check.foreign`. */
  readonly values: readonly string[];
  /** What the source calls the columns of the primary key. */
  readonly key: readonly string[];
  readonly cursor?: SourceCursor;
  /** There where a load reads the rows of an interval. */
  readonly interval?: SourceInterval;
  /** Blocks of the largest table in it; undefined where rows cannot be asked for by their place. */
  readonly blocks?: number;
  /** The source itself keeps the key unique and not NULL. */
  readonly keyIsProven: boolean;
  /** What it gives depends on nothing but the snapshot. */
  readonly isStable: boolean;
  /** Columns that the contract leaves out of the table, with their values as SQL over q. @default none */
  readonly unwanted?: readonly { readonly name: string; readonly value: string }[];
  /** @default no row is looked at on its way */
  readonly check?: RowCheck;
  readonly notices: readonly string[];
}

/** What a contract asks of each row. */
export interface RowCheck {
  /** Columns whose values come as text and have to fit the column's type; with the type that they are of in the source. */
  readonly columns: ReadonlyMap<string, ColumnType>;
  /** What becomes of those that do not. */
  readonly misfits: 'discard_row' | 'discard_value';
  /** Columns of the source that the table does not have: a row with a value in one is no row of it. */
  readonly foreign: readonly string[];
}

/** `"schema"."table"` of a resource that is no query. */
export function relationOf({ postgres }: ResourceConfig): string | undefined {
  return postgres?.table === undefined ? undefined : qualified(postgres.schema, postgres.table);
}

/** Looks at what a resource reads. Throws `ELT_COLUMN_…` (terminal) when its columns are not those of the project file. */
export async function describeSource(
  session: Session,
  resource: ResourceConfig,
  found: FoundRelation | undefined,
): Promise<SourceDescription> {
  const relation = relationOf(resource);
  const given = await session.describe(
    relation === undefined ? resource.postgres!.query! : `SELECT * FROM ${relation}`,
  );
  const { names, notices } = nameColumns(given.map(({ name }) => name), resource.path); // prettier-ignore
  for (const name of namedColumns(resource)) if (!names.includes(name)) throw unknownColumn(resource, name, names);
  const nested = nestedTypes(resource);
  const mapped = given.map((column, index) =>
    mapColumn(column, `q.${identifier(column.name)}`, resource.columns[names[index]!] ?? nested.get(names[index]!)),
  );
  const columns = names.map((name, index) => ({ name, type: mapped[index]!.type, header: given[index]!.name }));
  const references = given.map(({ name }) => `q.${identifier(name)}`);
  const natural = given.map((column) => mapColumn(column, '', undefined).type);
  const cursor = sourceCursor(resource, columns, natural, references);
  const interval = sourceInterval(resource, columns, natural, references);
  const key = resource.primaryKey.map((name) => given[names.indexOf(name)]!.name);
  const { isHeap, ...storage } = await storageOf(session, found);
  if (cursor?.type === 'xid' && !isHeap) throw withoutTransactions(resource);
  const isAsDeclared = resource.primaryKey.every((name) => resource.columns[name] === undefined);
  return {
    from: `${relation ?? `(${resource.postgres!.query!}\n)`} AS q`,
    columns,
    given,
    values: mapped.map(({ sql }) => sql),
    key,
    ...(cursor !== undefined && { cursor }),
    ...(interval !== undefined && { interval }),
    keyIsProven: found !== undefined && key.length > 0 && isAsDeclared && (await isUnique(session, found, key)),
    ...storage,
    notices,
  };
}

/** Columns that the project file names, beside a cursor's. */
export function namedColumns({
  primaryKey,
  columns,
  merge,
  interval,
  children = [],
}: ResourceConfig): readonly string[] {
  const marker = merge?.hardDelete === undefined ? [] : [merge.hardDelete];
  return [
    ...primaryKey,
    ...Object.keys(columns),
    ...(merge?.key ?? []),
    ...marker,
    ...(interval?.column === undefined ? [] : [interval.column]),
    ...children.map(({ field }) => field),
  ];
}

/** Reading by place needs tables that PostgreSQL itself stores, and a server that finds a range of places: 14 and newer. */
async function storageOf(
  session: Session,
  found: FoundRelation | undefined,
): Promise<Pick<SourceDescription, 'blocks' | 'isStable'> & { readonly isHeap: boolean }> {
  if (found === undefined || !['r', 'p', 'm'].includes(found.kind)) return { isHeap: false, isStable: false };
  const [storage] = await session.query<{ isHeap: boolean; isOpen: boolean; blocks: number; version: number }>(
    `WITH RECURSIVE tree AS (SELECT $1::oid AS id UNION SELECT i.inhrelid FROM pg_inherits i JOIN tree ON i.inhparent = tree.id)
     SELECT bool_and(c.relkind = 'p' OR coalesce(a.amname, '') = 'heap') AS "isHeap", NOT bool_or(c.relrowsecurity) AS "isOpen",
       max(pg_relation_size(c.oid) / current_setting('block_size')::bigint)::float8 AS blocks,
       current_setting('server_version_num')::integer AS version
     FROM tree JOIN pg_class c ON c.oid = tree.id LEFT JOIN pg_am a ON a.oid = c.relam`,
    [found.id],
  );
  if (storage?.isHeap !== true) return { isHeap: false, isStable: false };
  return { isHeap: true, isStable: storage.isOpen, ...(storage.version >= 140_000 && { blocks: storage.blocks }) };
}

/** Whether an index over exactly these columns, none of which can be NULL, keeps every row apart. */
async function isUnique(session: Session, { id, kind }: FoundRelation, key: readonly string[]): Promise<boolean> {
  // A parent of inherited tables knows nothing of its children's rows.
  const indexes = await session.query(
    `SELECT 1 FROM pg_index i WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
       AND ($3 = 'p' OR NOT EXISTS (SELECT 1 FROM pg_inherits h WHERE h.inhparent = $1::oid))
       AND (SELECT array_agg(a.attname::text ORDER BY a.attname::text) FROM pg_attribute a
            WHERE a.attrelid = i.indrelid AND a.attnum = ANY((i.indkey::int2[])[0:i.indnkeyatts - 1]) AND a.attnotnull)
         = (SELECT array_agg(name ORDER BY name) FROM unnest($2::text[]) AS name)
       AND i.indnkeyatts = cardinality($2::text[]) LIMIT 1`,
    [id, [...key], kind],
  );
  return indexes.length > 0;
}

function withoutTransactions({ id, path, at }: ResourceConfig): TerminalError {
  return new TerminalError(
    'ELT_PG_CURSOR',
    `Reading ${id} failed: its cursor cannot be followed: rows of ${path}, or of a part of it, are not stored by the server itself as a table, and tell of no transaction that wrote them.`,
    { at, next: 'Name a `field` in place of `xmin: true`.' },
  );
}

function unknownColumn({ id, path, at }: ResourceConfig, name: string, names: readonly string[]): TerminalError {
  const shown = names.slice(0, 30).map((one) => JSON.stringify(one)).join(', '); // prettier-ignore
  return new TerminalError(
    'ELT_COLUMN_UNKNOWN',
    `Reading ${id} failed: ${path} has no column ${JSON.stringify(name)}${didYouMean(name, names) || `; it has ${shown}.`}`,
    {
      at,
      details: { column: name },
      next: 'Correct `primary_key`, `merge`, `columns`, `interval_column` or `children`.',
    },
  );
}
