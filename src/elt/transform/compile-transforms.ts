import { createHash } from 'node:crypto';
import { TerminalError } from '../../errors.js';
import { ANY_INTERVAL, withLookback, type DataInterval } from '../../model/data-interval.js';
import type {
  IncrementalConfig,
  MacroFile,
  ResourceConfig,
  Schemas,
  SnapshotConfig,
  TransformFile,
  VarValue,
} from '../../model/project.js';
import { renderSql, type RenderedSql } from '../../model/render-sql.js';
import { tableNames } from '../../model/table-names.js';
import { compileTest, type CompiledTest } from '../tests/compile-test.js';
import type { IncrementSettings } from './apply-increment.js';
import { ephemeralNodes, inlinedBy, testDigest, testsOfEphemeral, type EphemeralNode } from './ephemeral-nodes.js';
import { singleStatement } from '../../model/single-statement.js';

export interface TransformNode {
  readonly name: string;
  readonly file: string;
  readonly kind: 'view' | 'table';
  /** One SELECT whose line numbers are the user's own. */
  readonly sql: string;
  /** User's line (from 1) for each line of `sql`. */
  readonly lines: readonly number[];
  /** For an incremental table: the SELECT as it is when the table is there, and what is done with its rows. */
  readonly incremental?: IncrementSettings & Pick<TransformNode, 'sql' | 'lines'>;
  /** Of a snapshot. Its SELECT gives the rows as they are now. */
  readonly snapshot?: SnapshotConfig;
  /** Whether SELECT or tests name the run's interval, so that there is nothing to build without one. */
  readonly usesInterval: boolean;
  /** Whether the table gets one interval after the other: built whole, it would hold the last one only. */
  readonly isByInterval: boolean;
  /** Transforms that have to be published before: through `ref` in the SELECT or in a test. Sorted. */
  readonly deps: readonly string[];
  /** Ids of the resources read. Sorted. */
  readonly sources: readonly string[];
  /** What its SELECT names itself: child tables by their own names. */
  readonly sourceTables: readonly string[];
  readonly tests: readonly CompiledTest[];
  /** Vars and macros that SELECT and tests use, as `RenderedSql.uses` gives them. */
  readonly uses: Readonly<Record<string, string>>;
  /** SHA-256 over the compiled SQL, the kind and the tests. */
  readonly digest: string;
}

export interface TransformGraph {
  /** Each node after those it needs. */
  readonly nodes: readonly TransformNode[];
  /** Names in groups: a group needs only earlier ones, its members may run at the same time. */
  readonly levels: readonly (readonly string[])[];
  /** Transforms for which nothing is built. */
  readonly ephemerals: readonly EphemeralNode[];
}

export interface CompileOptions {
  readonly transforms: readonly TransformFile[];
  readonly schemas: Schemas;
  readonly resources: readonly ResourceConfig[];
  readonly vars?: Readonly<Record<string, VarValue>>;
  readonly macros?: readonly MacroFile[];
  /** Absent: rendered for its names only; what `usesInterval` cannot be run. */
  readonly interval?: DataInterval;
}

/**
 * Renders every transform and its tests and puts them in order. Touches no database.
 * Throws `SQL_UNKNOWN_REF`, `SQL_UNKNOWN_VAR`, `SQL_TEMPLATE`, `ELT_SQL_NOT_A_SELECT`, `ELT_SQL_CYCLE` or `ELT_SQL_DUPLICATE`, all with
 * the user's file; a retry gives the same.
 */
export function compileTransforms(options: CompileOptions): TransformGraph {
  const { transforms, interval = ANY_INTERVAL } = options;
  assertDistinct(transforms);
  const names = tableNames(options);
  const tables = transforms.filter(({ materialized }) => materialized !== 'ephemeral');
  const nodes = tables.map((file): TransformNode => {
    const render = (isIncremental: boolean): RenderedSql => {
      const self = names.refs.get(file.name)!;
      const rendered = renderSql(file, {
        ...names,
        self,
        isIncremental,
        interval: withLookback(interval, file.incremental?.lookback),
      });
      return { ...rendered, sql: singleStatement(rendered.sql, file.file, rendered.lines) };
    };
    const { sql, lines, ...rendered } = render(false);
    const later = file.incremental === undefined ? undefined : render(true);
    const selects = [rendered, ...(later === undefined ? [] : [later])];
    const inlined = transforms.filter(({ name }) => selects.some(({ uses }) => inlinedBy(uses).includes(name)));
    const tests = [
      ...file.tests.flatMap((test) => compileTest(test, { name: file.name, interval, ...names })),
      ...inlined.flatMap((one) => testsOfEphemeral(one, { interval, ...names })),
    ];
    const kind = file.materialized === 'view' ? 'view' : 'table';
    const reads = [...selects, ...tests];
    return {
      name: file.name,
      file: file.file,
      kind,
      sql,
      lines,
      ...(later === undefined ? {} : { incremental: incrementalOf(file.incremental!, later, options.interval) }),
      ...(file.snapshot === undefined ? {} : { snapshot: file.snapshot }),
      usesInterval: reads.some(({ uses }) => uses['interval'] !== undefined),
      isByInterval: later !== undefined && rendered.uses['interval'] !== undefined,
      deps: distinct(reads.flatMap((one) => one.refs)),
      sources: distinct(reads.flatMap((one) => one.sources)),
      sourceTables: distinct(selects.flatMap((one) => one.sourceTables)),
      tests,
      uses: Object.assign({}, ...reads.map((one) => one.uses), ...inlined.map(testDigest)) as TransformNode['uses'],
      digest: createHash('sha256')
        .update(JSON.stringify([kind, sql, tests.map((test) => test.sql), ...(file.snapshot ? [file.snapshot] : [])]))
        .digest('hex'),
    };
  });
  const levels = intoLevels(nodes);
  const byName = new Map(nodes.map((node) => [node.name, node]));
  const ordered = levels.flat().map((name) => byName.get(name)!);
  return { nodes: ordered, levels, ephemerals: ephemeralNodes(transforms, ordered, { interval, ...names }) };
}

function incrementalOf(
  config: IncrementalConfig,
  { sql, lines, uses }: RenderedSql,
  interval: DataInterval | undefined,
): NonNullable<TransformNode['incremental']> {
  const looksAt = interval === undefined || uses['interval'] === undefined ? undefined : interval;
  return {
    ...config,
    sql,
    lines,
    ...(looksAt === undefined ? {} : { interval: withLookback(looksAt, config.lookback) }),
  };
}

function assertDistinct(transforms: readonly TransformFile[]): void {
  const files = new Map<string, string>();
  for (const { name, file } of transforms) {
    const other = files.get(name);
    if (other !== undefined) {
      throw new TerminalError('ELT_SQL_DUPLICATE', `${file} and ${other} both give the table ${name}.`, {
        at: { file },
        next: 'Rename one of the files: a table is named after its file.',
      });
    }
    files.set(name, file);
  }
}

function intoLevels(nodes: readonly TransformNode[]): string[][] {
  const levels: string[][] = [];
  const done = new Set<string>();
  let rest = [...nodes];
  while (rest.length > 0) {
    const ready = rest.filter((node) => node.deps.every((dep) => done.has(dep))).map((node) => node.name);
    if (ready.length === 0) throw cycleError(rest);
    levels.push(ready.sort());
    for (const name of ready) done.add(name);
    rest = rest.filter((node) => !done.has(node.name));
  }
  return levels;
}

/** Every node of `rest` needs another of `rest`, so following the needs must come back to a node. */
function cycleError(rest: readonly TransformNode[]): TerminalError {
  const byName = new Map(rest.map((node) => [node.name, node]));
  const path: string[] = [];
  let name = rest[0]!.name;
  while (!path.includes(name)) {
    path.push(name);
    name = byName.get(name)!.deps.find((dep) => byName.has(dep))!;
  }
  const circle = [...path.slice(path.indexOf(name)), name];
  return new TerminalError('ELT_SQL_CYCLE', `Transforms refer to each other in a circle: ${circle.join(' → ')}.`, {
    at: { file: byName.get(name)!.file },
    details: { cycle: circle },
    next: 'Take one of these `ref` out, or move what both need into a transform of its own.',
  });
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}
