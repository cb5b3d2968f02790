import { connectDatabase } from '../client/connect.js';
import { loadSettings } from '../config.js';
import { TerminalError } from '../errors.js';
import type { CompiledTest } from '../elt/tests/compile-test.js';
import { runTest, type TestResult } from '../elt/tests/run-test.js';
import { compileTransforms, type TransformGraph } from '../elt/transform/compile-transforms.js';
import { inlinedBy } from '../elt/transform/ephemeral-nodes.js';
import { selectNodes } from '../elt/transform/select-nodes.js';
import { compileUnitTest } from '../elt/unit-tests/compile-unit-test.js';
import { runUnitTest } from '../elt/unit-tests/run-unit-test.js';
import type { Database, Session } from '../model/database.js';
import type { Project } from '../model/project.js';
import { renderSql } from '../model/render-sql.js';
import { qualified } from '../model/sql-identifier.js';
import { tableNames } from '../model/table-names.js';
import { loadProject } from '../project/load-project.js';
import { CONNECTIONS } from '../storage/connection-budget.js';
import { compileProject } from './compile-project.js';
import { EXIT } from './print-error.js';
import { renderTests, type TestOutcome } from './render-tests.js';

export interface TestOptions {
  readonly env: string;
  readonly select?: readonly string[];
  readonly only?: 'unit' | 'data';
  readonly json: boolean;
}

/** Tests that run at the same time, each on a connection of its own. */
const LANES = CONNECTIONS.command;

/** `plumbline test`. Exits 1 when a test fails or cannot be run; a data test of severity `warn` only warns. */
export async function testCommand(options: TestOptions): Promise<void> {
  const started = Date.now();
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const project = await loadProject({ root: settings.root, env: options.env });
  compileProject(project);
  const tests = selectTests(project, options);
  const database = connectDatabase(settings, LANES);
  try {
    const outcomes = await runAll(database, tests);
    const isFailed = outcomes.some(({ status }) => status === 'failed' || status === 'error');
    process.stdout.write(
      options.json
        ? `${JSON.stringify({ passed: !isFailed, tests: outcomes }, null, 2)}\n`
        : renderTests(project, outcomes, Date.now() - started),
    );
    if (isFailed) process.exitCode = EXIT.failed;
  } finally {
    await database.close();
  }
}

type RunnableTest = Pick<TestOutcome, 'kind' | 'name' | 'model' | 'at'> & {
  readonly run: (session: Session) => Promise<Partial<TestOutcome> & Pick<TestOutcome, 'status' | 'seconds'>>;
};

/** Unit tests in the order of their files, then data tests in the order in which their tables are built. */
function selectTests(project: Project, { select, only }: TestOptions): RunnableTest[] {
  const graph = compileTransforms(project);
  const named = project.unitTests.filter(({ name }) => select?.includes(name));
  const patterns = select?.filter((pattern) => !named.some(({ name }) => name === pattern));
  const nodes = withEphemerals([...graph.nodes, ...filesBehind(project, graph)], graph);
  const models = patterns === undefined ? nodes : selectNodes(nodes, patterns);
  const isSelected = (model: string): boolean => models.some(({ name }) => name === model);
  // Else they are among those of a reader.
  const alone = graph.ephemerals.filter(({ name, readers }) => isSelected(name) && !readers.some(isSelected));
  const unit = project.unitTests.filter((test) => named.includes(test) || isSelected(test.model));
  return [
    ...(only === 'data' ? [] : unit.map((test) => unitTest(test, project))),
    ...(only === 'unit'
      ? []
      : [
          ...graph.nodes.filter(({ name }) => isSelected(name)).flatMap((node) => dataTests(node, project)),
          ...alone.flatMap(({ name, tests }) => tests.map((test) => ephemeralTest(name, test))),
        ]),
  ];
}

interface Readable {
  readonly name: string;
  readonly deps: readonly string[];
  readonly sources: readonly string[];
  readonly uses: Readonly<Record<string, string>>;
}

/** With the ephemeral transforms as nodes of their own, each before what reads it. */
function withEphemerals(
  nodes: readonly Readable[],
  { ephemerals }: TransformGraph,
): (Pick<Readable, 'name' | 'deps'> & Partial<Readable>)[] {
  // What another one is part of is part of fewer.
  const left = [...ephemerals].sort((one, other) => one.inlines.length - other.inlines.length);
  const asNode = ({ name, deps, inlines }: (typeof left)[number]) => ({ name, deps: [...deps, ...inlines] });
  const ordered = nodes.flatMap(({ name, deps, sources, uses }) => {
    const read = inlinedBy(uses);
    const first = left.filter((one) => read.includes(one.name));
    for (const one of first) left.splice(left.indexOf(one), 1);
    return [...first.map(asNode), { name, deps: [...deps, ...read], sources }];
  });
  return [...ordered, ...left.map(asNode)];
}

/** Feature views and labels, which read transforms as transforms do. */
function filesBehind(project: Project, { nodes }: TransformGraph): Readable[] {
  const { features, train } = project;
  return [...features, ...(train === undefined ? [] : [train.labels])]
    .filter(({ name }) => !nodes.some((node) => node.name === name))
    .map((file) => {
      const { refs, sources, uses } = renderSql(file, tableNames(project));
      return { name: file.name, deps: refs, sources, uses };
    });
}

function unitTest(test: Project['unitTests'][number], project: Project): RunnableTest {
  const { name, model, at } = test;
  return {
    kind: 'unit',
    name,
    model,
    at,
    async run(session) {
      const { passed, difference, seconds } = await runUnitTest(session, compileUnitTest(test, project));
      return passed ? { status: 'passed', seconds } : { status: 'failed', seconds, difference };
    },
  };
}

function dataTests({ name: model, tests }: TransformGraph['nodes'][number], project: Project): RunnableTest[] {
  const table = qualified(project.schemas.main, model);
  return tests.map((test) => ({
    kind: 'data',
    name: test.name,
    model,
    at: test.at,
    async run(session) {
      const [found] = await session.query<{ there: boolean }>('SELECT to_regclass($1) IS NOT NULL AS there', [table]);
      if (found?.there !== true) {
        throw new TerminalError('ELT_TABLE_MISSING', `Testing ${model} failed: it is not published yet.`, {
          at: test.at,
          next: `Build it with \`plumbline run transform --select ${model}\`.`,
        });
      }
      return outcomeOf(await runTest(session, test, table));
    },
  }));
}

function ephemeralTest(model: string, test: CompiledTest): RunnableTest {
  const run: RunnableTest['run'] = async (session) => outcomeOf(await runTest(session, test, model));
  return { kind: 'data', name: test.name, model, at: test.at, run };
}

function outcomeOf({ passed, severity, failures, sample, seconds }: TestResult) {
  if (passed) return { status: 'passed' as const, seconds };
  return { status: severity === 'warn' ? ('warned' as const) : ('failed' as const), failures, sample, seconds };
}

/** A test that cannot be run is an outcome too; a database that is away ends the command. */
async function runAll(database: Database, tests: readonly RunnableTest[]): Promise<TestOutcome[]> {
  const outcomes = new Array<TestOutcome>(tests.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let index = next++; index < tests.length; index = next++) {
      const { kind, name, model, at, run } = tests[index]!;
      try {
        // A connection for each: one whose COPY failed is of no more use.
        outcomes[index] = { kind, name, model, at, ...(await database.session(run)) };
      } catch (error) {
        if (!(error instanceof TerminalError)) throw error;
        const { code, message, at: place = at, next: hint } = error;
        const described = { code, message, at: place, ...(hint === undefined ? {} : { next: hint }) };
        outcomes[index] = { kind, name, model, at, status: 'error', seconds: 0, error: described };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, tests.length) }, lane));
  return outcomes;
}
