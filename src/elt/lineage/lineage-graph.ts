import type { Session } from '../../model/database.js';
import type { Project, SqlFile } from '../../model/project.js';
import { seedId } from '../../model/relation-names.js';
import { renderSql } from '../../model/render-sql.js';
import { qualified } from '../../model/sql-identifier.js';
import { tableNames } from '../../model/table-names.js';
import { compileTransforms } from '../transform/compile-transforms.js';
import { firstStates } from '../transform/snapshot-sql.js';
import { singleStatement } from '../../model/single-statement.js';
import { analyzeColumns, type AnalyzedColumns, type ColumnOrigin, type Definition } from './analyze-columns.js';

export interface LineageNode {
  /** `source rides`, `seed shops`, `transform demand`, … */
  readonly id: string;
  readonly kind: 'object' | 'source' | 'seed' | 'transform' | 'feature view' | 'labels' | 'training set' | 'model';
  readonly name: string;
  readonly file?: string;
  /** Ids of what it is made from. */
  readonly from: readonly string[];
  /** Absent where columns were not asked for, or the thing has none. */
  readonly columns?: AnalyzedColumns['columns'];
  /** Columns that decide which rows it has. */
  readonly rows?: readonly ColumnOrigin[];
  /** What is not known about its columns, in words. */
  readonly notKnown?: readonly string[];
}

export interface Lineage {
  /** Each after those it is made from. */
  readonly nodes: readonly LineageNode[];
}

/**
 * From the raw objects through tables, transforms, feature views and training sets to the model. Touches no database.
 * Throws what `compileTransforms` throws.
 */
export function lineageGraph(project: Project): Lineage {
  const { resources, features, train, deploy } = project;
  // A test that reads a table does not make this one of it.
  const untested = project.transforms.map((file) => ({ ...file, tests: [] }));
  const { nodes } = compileTransforms({ ...project, transforms: untested });
  const names = tableNames(project);
  const objects = resources.map(({ path, http }): LineageNode => {
    const name = `${http?.url ?? ''}${path}`;
    return { id: `object ${name}`, kind: 'object', name, from: [] };
  });
  const tables = resources.map(({ id }, index): LineageNode => {
    const node = tableId(id);
    const [kind = ''] = node.split(' ');
    return { id: node, kind: kind as 'source' | 'seed', name: node.slice(kind.length + 1), from: [objects[index]!.id] };
  });
  // Made of the same objects: neither is read from the other.
  const children = [...(names.children ?? [])].map(([name, { of }]): LineageNode => {
    const { from } = tables.find(({ id }) => id === tableId(of))!;
    return { id: tableId(name), kind: 'source', name, from };
  });
  const transforms = nodes.map(({ name, file, deps, sourceTables }): LineageNode => {
    const from = [...sourceTables.map(tableId), ...deps.map((dep) => `transform ${dep}`)];
    return { id: `transform ${name}`, kind: 'transform', name, file, from };
  });
  const queries = (kind: 'feature view' | 'labels', files: readonly SqlFile[]): LineageNode[] =>
    files.map((one) => {
      const { refs, sourceTables } = renderSql(one, names);
      const from = [...sourceTables.map(tableId), ...refs.map((ref) => `transform ${ref}`)];
      return { id: `${kind} ${one.name}`, kind, name: one.name, file: one.file, from };
    });
  const learned =
    train === undefined
      ? []
      : [
          ...queries('labels', [train.labels]),
          ...[{ name: 'main', features: train.features }, ...train.variants].map((set): LineageNode => {
            const from = [`labels ${train.labels.name}`, ...set.features.map((view) => `feature view ${view}`)];
            return { id: `training set ${set.name}`, kind: 'training set', name: set.name, from };
          }),
          { id: `model ${deploy.model}`, kind: 'model' as const, name: deploy.model, from: ['training set main'] },
        ];
  const unique = new Map(objects.map((node) => [node.id, node]));
  return {
    nodes: [
      ...unique.values(),
      ...tables,
      ...children,
      ...transforms,
      ...queries('feature view', features),
      ...learned,
    ],
  };
}

/** The same with columns. Reads the catalog of PostgreSQL, and no row. */
export async function withColumns(lineage: Lineage, project: Project, session: Session): Promise<Lineage> {
  const { main } = project.schemas;
  // Transforms read each other's temporary views: what counts is the code as it is, built or not.
  const staged = { ...project, schemas: { ...project.schemas, main: 'pg_temp' } };
  const names = tableNames(staged);
  const definitions = compileTransforms(staged).nodes.map(({ name, sql, snapshot }): Definition => ({
    id: `transform ${name}`,
    view: name,
    sql: snapshot === undefined ? sql : firstStates(snapshot, `(${sql}\n)`),
    published: qualified(main, name),
  }));
  const queries = [
    ...project.features.map((file) => ({ kind: 'feature view', file })),
    ...(project.train === undefined ? [] : [{ kind: 'labels', file: project.train.labels }]),
  ].map(({ kind, file }): Definition => {
    const { sql, lines } = renderSql(file, names);
    const id = `${kind} ${file.name}`;
    return { id, view: id, sql: singleStatement(sql, file.file, lines) };
  });
  const children = [...(names.children ?? [])].map(([id, { table }]) => [id, table] as const);
  const tables = new Map([...names.sources, ...children].map(([id, table]) => [tableId(id), table]));
  const found = await analyzeColumns(session, [...definitions, ...queries], tables);
  for (const node of lineage.nodes)
    if (node.kind === 'training set') found.set(node.id, setColumns(node, project, found));
  return {
    nodes: lineage.nodes.map((node) => {
      const { columns, rows, notKnown = [] } = found.get(node.id) ?? {};
      if (columns === undefined || rows === undefined) return node;
      return { ...node, columns, rows, ...(notKnown.length === 0 ? {} : { notKnown }) };
    }),
  };
}

/** The labels' columns and the features; a view's entity and times are joined by. */
function setColumns(
  { from }: LineageNode,
  { features, train }: Project,
  found: ReadonlyMap<string, AnalyzedColumns>,
): AnalyzedColumns {
  const taken = (id: string, leftOut: readonly string[]): AnalyzedColumns['columns'] =>
    (found.get(id)?.columns ?? [])
      .filter(({ name }) => !leftOut.includes(name))
      .map(({ name }) => ({ name, from: [{ node: id, column: name }] }));
  const labels = train!.labels;
  const own = [...labels.entity, labels.labelTime, labels.target];
  const labelColumns = taken(`labels ${labels.name}`, []).filter(({ name }) => own.includes(name));
  const views = features.filter(({ name }) => from.includes(`feature view ${name}`));
  const joined = views.map((view) => ({
    id: `feature view ${view.name}`,
    by: [...new Set([...view.entity, view.eventTime, ...(view.knownAt === undefined ? [] : [view.knownAt])])],
  }));
  return {
    columns: [...labelColumns, ...joined.flatMap(({ id, by }) => taken(id, [...by, '_load_id', '_row_number']))],
    rows: joined.flatMap(({ id, by }) => by.map((column) => ({ node: id, column }))),
    notKnown: [],
  };
}

function tableId(resource: string): string {
  return resource.startsWith(seedId('')) ? `seed ${resource.slice(seedId('').length)}` : `source ${resource}`;
}
