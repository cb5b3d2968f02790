import { dataInterval, type RunRef } from '../contracts/run.js';
import { stepNames } from '../contracts/step-names.js';
import { compileTransforms } from '../elt/transform/compile-transforms.js';
import { lineageGraph, withColumns, type LineageNode } from '../elt/lineage/lineage-graph.js';
import type { Project } from '../model/project.js';
import { childNames, seedId } from '../model/relation-names.js';
import { findBundle } from '../storage/bundles.js';
import { columnTypes } from '../storage/column-types.js';
import type { ActivityDependencies } from './dependencies.js';
import { projectOf } from './project-code.js';

interface OfRun {
  readonly runId: string;
  readonly env: string;
  readonly project: string;
  /** Digest of its code. */
  readonly bundle: string;
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * The tables, files, training sets and the model of a run's code, with columns and their types as they are in PostgreSQL
 * now, and the step that makes each. Reads no row. Empty when the code is no longer recorded.
 */
export async function describeLineage(dependencies: ActivityDependencies, run: OfRun) {
  const bundle = await findBundle(dependencies.database, run.bundle);
  if (bundle === undefined) return [];
  const project = await projectOf(dependencies, refOf(run, bundle));
  const { nodes } = await dependencies.database.session((session) =>
    withColumns(lineageGraph(project), project, session),
  );
  const types = await columnTypes(dependencies.database, [project.schemas.raw, project.schemas.main]);
  const { data: interval } = dataInterval.safeParse(run.options['interval']);
  const compiled = compileTransforms({ ...project, ...(interval !== undefined && { interval }) });
  const sql = new Map(compiled.nodes.map((node) => [node.name, node.sql]));
  return nodes.map((node) => {
    const { table, ...made } = makingOf(project, node, sql);
    const known = table === undefined ? undefined : types.get(`${table.schema}.${table.name}`);
    const columns = node.columns?.map((column) => {
      const type = known?.get(column.name);
      return type === undefined ? column : { ...column, type };
    });
    return {
      id: node.id,
      kind: node.kind,
      from: node.from,
      ...made,
      ...(table === undefined ? {} : { table }),
      ...(columns === undefined ? {} : { columns }),
      ...(node.rows === undefined ? {} : { rows: node.rows }),
    };
  });
}

/** Where a thing is and what makes it. */
function makingOf(
  { schemas, resources }: Project,
  { kind, name }: LineageNode,
  sql: ReadonlyMap<string, string>,
): { step?: string; table?: { schema: string; name: string }; path?: string; sql?: string } {
  switch (kind) {
    case 'object': {
      const { type } = resources.find(({ http, path }) => `${http?.url ?? ''}${path}` === name)!;
      return type === 'files' || type === 'http' ? { path: name } : {};
    }
    case 'source':
    case 'seed': {
      const id = kind === 'seed' ? seedId(name) : name;
      const child = childNames(schemas, resources).get(id);
      const own = resources.find((resource) => resource.id === id);
      return {
        step: stepNames.load(own?.id ?? child!.of),
        table: { schema: schemas.raw, name: own?.table ?? child!.name },
      };
    }
    case 'transform':
      return { step: stepNames.transform(name), table: { schema: schemas.main, name }, sql: sql.get(name)! };
    case 'training set':
      return { step: stepNames.features(name) };
    case 'model':
      return { step: stepNames.register };
    case 'feature view':
    case 'labels':
      return {};
  }
}

function refOf(run: OfRun, { digest, artifact }: { digest: string; artifact: string }): RunRef {
  const root = typeof run.options['root'] === 'string' ? run.options['root'] : '/';
  const { runId, env, project } = run;
  return { runId, env, project, bundle: { digest, artifact }, root, searchAttributes: [], force: false };
}
