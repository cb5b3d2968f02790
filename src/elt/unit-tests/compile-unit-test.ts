import { TerminalError } from '../../errors.js';
import type { Fixture, Project, SqlFile, UnitTest } from '../../model/project.js';
import { withLookback } from '../../model/data-interval.js';
import { seedId } from '../../model/relation-names.js';
import { renderSql, type RenderedSql, type SqlNames } from '../../model/render-sql.js';
import { qualified } from '../../model/sql-identifier.js';
import { tableNames } from '../../model/table-names.js';
import { singleStatement } from '../../model/single-statement.js';

export interface CompiledUnitTest {
  readonly name: string;
  readonly model: string;
  readonly at: UnitTest['at'];
  /** The model's file and its SELECT, which reads the stand-ins. */
  readonly file: string;
  readonly sql: string;
  readonly lines: readonly number[];
  readonly given: readonly StandIn[];
  readonly expect: Fixture;
}

/** A temporary table that holds given rows where the SELECT would read a table of the project. */
export interface StandIn extends Fixture {
  /** `ref('demand')`, as the test says it. */
  readonly input: string;
  /** `"pg_temp"."demand"` */
  readonly table: string;
  /** The project's table whose columns it has. */
  readonly original: string;
}

type TestedProject = Pick<Project, 'schemas' | 'transforms' | 'features' | 'train' | 'resources' | 'vars' | 'macros'>;

/**
 * The SELECT of the test's model with stand-ins for all it reads. Touches no database. Throws
 * `ELT_UNIT_TEST_INPUT` when rows are given for what the SELECT does not read, or are missing for what it does, and what
 * `renderSql` and `singleStatement` throw; a retry gives the same.
 */
export function compileUnitTest(test: UnitTest, project: TestedProject): CompiledUnitTest {
  const file = modelNamed(test.model, project);
  const names = { ...tableNames(project), vars: { ...project.vars, ...test.vars } };
  const self = qualified(project.schemas.main, test.model);
  const inputs = test.given.map((fixture) => ({ ...fixture, ...readInput(fixture, test, names, self) }));
  const given: (StandIn & Input)[] = [];
  for (const one of inputs) {
    if (given.some(({ key }) => key === one.key)) throw inputError(test, one.at, `${one.input} is given twice`);
    given.push({ ...one, table: standInName(one.original, given) });
  }
  const standIn = (kind: Input['kind'], known: ReadonlyMap<string, string>): Map<string, string> =>
    new Map([...known].map(([id, table]) => [id, given.find((one) => one.key === `${kind} ${id}`)?.table ?? table]));
  const lookback = project.transforms.find(({ name }) => name === test.model)?.incremental?.lookback;
  const own = given.find(({ kind }) => kind === 'this')?.table;
  const rendered = renderSql(file, {
    ...names,
    refs: standIn('ref', names.refs),
    sources: standIn('source', names.sources),
    children: new Map(
      [...(names.children ?? [])].map(([id, child]) => [
        id,
        { ...child, table: standIn('source', new Map([[id, child.table]])).get(id)! },
      ]),
    ),
    isIncremental: test.isIncremental,
    ...(test.interval !== undefined && { interval: withLookback(test.interval, lookback) }),
    ...(names.refs.has(test.model) ? { self: own ?? self } : {}),
  });
  assertGiven(test, rendered, { given, own, self });
  const { lines } = rendered;
  return {
    name: test.name,
    model: test.model,
    at: test.at,
    file: file.file,
    sql: singleStatement(rendered.sql, file.file, lines),
    lines,
    given,
    expect: test.expect,
  };
}

interface Input {
  readonly kind: 'ref' | 'source' | 'this';
  /** `ref demand`, `source rides.hours`, `this `. */
  readonly key: string;
  readonly original: string;
}

function modelNamed(name: string, { transforms, features, train }: TestedProject): SqlFile {
  const files: readonly SqlFile[] = [...transforms, ...features, ...(train === undefined ? [] : [train.labels])];
  return files.find((file) => file.name === name)!;
}

const EPHEMERAL = 'ephemeral';

/** What an input means, found by the same rules as in SQL. */
function readInput(
  { input, at }: { input: string; at: UnitTest['at'] },
  test: UnitTest,
  names: SqlNames,
  self: string,
): Input {
  if (input === 'this') return { kind: 'this', key: 'this ', original: self };
  const { ephemerals = new Map<string, SqlFile>(), ...tables } = names;
  const refs = new Map([...names.refs, ...[...ephemerals.keys()].map((name) => [name, EPHEMERAL] as const)]);
  try {
    const { sql, ...read } = renderSql({ name: test.name, file: at.file, sql: `{{ ${input} }}` }, { ...tables, refs });
    if (sql === EPHEMERAL)
      throw inputError(test, at, `${input} makes no table, as it is ephemeral`, 'Give rows for what it reads itself.');
    const [source] = read.sourceTables;
    return source === undefined
      ? { kind: 'ref', key: `ref ${read.refs[0]}`, original: sql }
      : { kind: 'source', key: `source ${source}`, original: sql };
  } catch (error) {
    throw error instanceof TerminalError ? error.prefixed('', { at }) : error;
  }
}

/**
 * In `pg_temp` under the table's own name: a column may be called by it. A second table of that name, which only another
 * schema can have, takes a longer one.
 */
function standInName(original: string, taken: readonly { readonly table: string }[]): string {
  const [, name = ''] = /"([^"]+)"$/.exec(original) ?? [];
  for (let nth = 1; ; nth++) {
    const table = qualified('pg_temp', nth === 1 ? name : `${name}_${nth}`);
    if (!taken.some((one) => one.table === table)) return table;
  }
}

function assertGiven(
  test: UnitTest,
  { sql, refs, sourceTables }: RenderedSql,
  { given, own, self }: { given: readonly (StandIn & Input)[]; own: string | undefined; self: string },
): void {
  const read = new Set([...refs.map((ref) => `ref ${ref}`), ...sourceTables.map((source) => `source ${source}`)]);
  if (sql.includes(own ?? self)) read.add('this ');
  const missing = [...read].filter((key) => !given.some((one) => one.key === key));
  if (missing.length > 0) {
    const calls = missing.map(callOf);
    throw inputError(
      test,
      test.at,
      `it gives no rows for ${calls.join(', ')}`,
      `Add \`- input: ${calls[0]}\`, with \`rows: []\` if there are none.`,
    );
  }
  const unread = given.find(({ key }) => !read.has(key));
  if (unread === undefined) return;
  const all = read.size === 0 ? 'no table' : [...read].map(callOf).join(', ');
  throw inputError(test, unread.at, `it gives rows for ${unread.input}, but the SELECT of ${test.model} reads ${all}`);
}

function callOf(key: string): string {
  const [kind, id = ''] = key.split(' ');
  if (kind === 'this') return 'this';
  if (id.startsWith(seedId(''))) return `ref('${id.slice(seedId('').length)}')`;
  return `${kind}('${id.replace('.', "', '")}')`;
}

function inputError(
  test: UnitTest,
  at: UnitTest['at'],
  what: string,
  next = 'Remove the input or correct its name.',
): TerminalError {
  return new TerminalError('ELT_UNIT_TEST_INPUT', `Unit test ${test.name} cannot be run: ${what}.`, { at, next });
}
