import { TerminalError } from '../errors.js';
import type { Session } from '../model/database.js';
import type { FeatureViewFile } from '../model/project.js';
import { identifier } from '../model/sql-identifier.js';
import {
  columnTypeError,
  describeQuery,
  headerColumn,
  timeColumn,
  type QueryShape,
  type ShapeColumn,
} from './query-shape.js';
import { asMoment, asNumber, asText, castEntity, entityType } from './sql-types.js';
import { LABELS, type StagedLabels } from './stage-labels.js';
import { positionOf, runUserQuery, type UserQuery } from './user-query.js';

export interface StagedFeature {
  readonly name: string;
  readonly kind: 'number' | 'text';
  /** Its column in the temporary table: f0, f1, … */
  readonly alias: string;
}

/** A feature view checked against the labels, and the names under which it is staged. */
export interface StagedView {
  readonly file: FeatureViewFile;
  readonly query: UserQuery;
  /** Temporary table: e0, … (entity), et (event time), kt (known at, when the view has it), f0, f1, … */
  readonly table: string;
  /** Index into the labels' entity, and the type in which both sides are compared. */
  readonly entity: readonly { readonly name: string; readonly label: number; readonly type: string }[];
  readonly features: readonly StagedFeature[];
  /** Columns of plumbline's own that are no features: `_load_id`, `_row_number`. */
  readonly leftOut: readonly string[];
}

const BOOKKEEPING = new Set(['_load_id', '_row_number']);

/** Checks the columns of a feature view; nothing runs yet. */
export async function describeView(
  session: Session,
  file: FeatureViewFile,
  query: UserQuery,
  labels: StagedLabels,
  table: string,
): Promise<StagedView & { readonly shape: QueryShape }> {
  const shape = await describeQuery(session, query);
  timeColumn(shape, 'event_time', file.eventTime);
  if (file.knownAt !== undefined) timeColumn(shape, 'known_at', file.knownAt);
  for (const name of Object.keys(file.leakAccepted ?? {})) headerColumn(shape, 'leak_accepted', name);
  const entity = file.entity.map((name) => matchEntity(query, headerColumn(shape, 'entity', name), labels));
  const taken = new Set([...file.entity, file.eventTime, file.knownAt]);
  const rest = [...shape.columns.values()].filter((column) => !taken.has(column.name));
  const leftOut = rest.filter((column) => BOOKKEEPING.has(column.name)).map((column) => column.name);
  const features = rest
    .filter((column) => !BOOKKEEPING.has(column.name))
    .map((column, index): StagedFeature => ({
      name: column.name,
      kind: featureKind(query, column),
      alias: `f${index}`,
    }));
  if (features.length === 0)
    throw new TerminalError(
      'FEATURES_NO_COLUMNS',
      `Reading feature view ${query.name} failed: its SELECT gives ${[...shape.columns.keys()].join(', ')} and no feature besides.`,
      { at: { file: query.file }, next: 'Add at least one feature column to the SELECT.' },
    );
  return { file, query, table, entity, features, leftOut, shape };
}

/**
 * Runs the view's SELECT into its temporary table, sorted and indexed for the join. Rows without entity, event time or
 * known-at time are never known, so they stay away; so do rows later than every label. Of rows that agree in entity and
 * times the one with the greatest features stays, columns compared in order.
 */
export async function stageView(session: Session, view: StagedView & { readonly shape: QueryShape }): Promise<number> {
  const { file, query, shape } = view;
  const known = file.knownAt === undefined ? [] : [`${asMoment(shape.columns.get(file.knownAt)!)} AS kt`];
  const event = asMoment(shape.columns.get(file.eventTime)!);
  const columns = view.features.map(({ name, kind, alias }) => {
    const column = shape.columns.get(name)!;
    return `${kind === 'number' ? asNumber(column) : asText(column)} AS ${alias}`;
  });
  const entity = view.entity.map(({ name, type }, index) => `${castEntity(identifier(name), type)} AS e${index}`);
  const keys = [...view.entity.map((_column, index) => `e${index}`), 'et', ...(known.length > 0 ? ['kt'] : [])];
  const order = [...keys, ...view.features.map(({ alias }) => `${alias} DESC NULLS LAST`)];
  const rows = await runUserQuery(
    query,
    (select) => `CREATE TEMPORARY TABLE ${view.table} ON COMMIT DROP AS
SELECT DISTINCT ON (${keys.join(', ')}) *
  FROM (SELECT ${[...entity, `${event} AS et`, ...known, ...columns].join(', ')} FROM ${select} AS q) AS s
 WHERE ${keys.map((key) => `${key} IS NOT NULL`).join(' AND ')} AND et <= (SELECT max(t) FROM ${LABELS})
 ORDER BY ${order.join(', ')}`,
    (text) => session.execute(text),
  );
  await session.execute(`CREATE UNIQUE INDEX ON pg_temp.${view.table} (${keys.join(', ')})`);
  await session.execute(`ANALYZE pg_temp.${view.table}`);
  return rows;
}

function matchEntity(query: UserQuery, column: ShapeColumn, labels: StagedLabels): StagedView['entity'][number] {
  const label = labels.entity.findIndex(({ name }) => name === column.name);
  const of = labels.entity[label];
  const type = of === undefined ? undefined : entityType(column.class, of.class);
  if (type !== undefined) return { name: column.name, label, type };
  const problem =
    of === undefined
      ? `its entity ${column.name} is not among the entity columns of ${labels.query.file}: ${labels.entity.map(({ name }) => name).join(', ')}`
      : `its entity ${column.name} is ${column.type}, in ${labels.query.file} it is ${of.type}`;
  throw new TerminalError('FEATURES_ENTITY_MISMATCH', `Joining feature view ${query.name} failed: ${problem}.`, {
    details: { view: query.name, column: column.name, type: column.type, labelType: of?.type ?? null },
    at: positionOf(query, column.name),
    next:
      of === undefined
        ? 'Rename the column with AS, or correct the header.'
        : 'Cast one of the two to the type of the other.',
  });
}

function featureKind(query: UserQuery, column: ShapeColumn): 'number' | 'text' {
  switch (column.class) {
    case 'integer':
    case 'numeric':
    case 'float':
    case 'boolean':
      return 'number';
    case 'text':
      return 'text';
    default:
      throw columnTypeError(
        query,
        column,
        'as a feature',
        'a number, boolean, text or enum',
        `Turn it into numbers or text in the SELECT (e.g. extract(hour FROM ${column.name})), or leave it out.`,
      );
  }
}
