import { trainingSetInput, type TrainingSetInput, type TrainingSetSummary } from '../contracts/features.js';
import type { TestWarning } from '../contracts/elt.js';
import type { RunRef } from '../contracts/run.js';
import { stepNames } from '../contracts/step-names.js';
import { DataTestError } from '../elt/tests/errors.js';
import { runTest, type TestResult } from '../elt/tests/run-test.js';
import type { CompiledTest } from '../elt/tests/compile-test.js';
import { inlinedBy } from '../elt/transform/ephemeral-nodes.js';
import type { Database } from '../model/database.js';
import { compileFor } from './selected-steps.js';
import { assertFresh } from '../elt/freshness/source-freshness.js';
import { buildTrainingSet } from '../features/build-training-set.js';
import { checkLeakage } from '../features/leakage/check-leakage.js';
import { ANY_INTERVAL } from '../model/data-interval.js';
import type { Project, SqlFile } from '../model/project.js';
import { renderSql } from '../model/render-sql.js';
import { readParquet } from '../table/parquet.js';
import type { ActivityDependencies } from './dependencies.js';
import { featuresInputs, findReusable, hash, inputVersions } from './fingerprint.js';
import { projectOf, resourceNamed, trainOf, transformNamed, viewsOf } from './project-code.js';
import { runStep } from './step.js';
import { saveOutcome } from './save-outcome.js';
import { tableNames } from '../model/table-names.js';

/** An input that is the version of a table. */
const TABLE = /^(source|ref) /;

export type FeaturesActivities = ReturnType<typeof createFeaturesActivities>;

export function createFeaturesActivities(dependencies: ActivityDependencies) {
  return {
    /** Labels joined with one set of feature views, checked for leaks. The same inputs give the stored set again. */
    async buildTrainingSet(input: TrainingSetInput): Promise<TrainingSetSummary> {
      const { run, set } = trainingSetInput.parse(input);
      const step = stepNames.features(set);
      return runStep(dependencies, { run, step, stage: 'features' }, async ({ database, signal, progress, fence }) => {
        const project = await projectOf(dependencies, run);
        const train = trainOf(project);
        const views = viewsOf(project, set);
        const reads = trainingReads(project, [train.labels, ...views], run);
        await assertFresh(database, project, reads.sources, run.interval);
        const versions = await inputVersions(database, project, reads);
        const inputs = featuresInputs(train, views, reads.uses, versions);
        const found = await findReusable<TrainingSetSummary>(database, run, step, inputs, 'content');
        if (
          found.reuse !== undefined &&
          (await dependencies.store.has(found.reuse.result.trainingSet.artifact.sha256))
        ) {
          await saveOutcome(database, run, step, inputs, found.reuse.result, fence);
          return { ...found.reuse, status: 'reused' };
        }
        const warnings = await testEphemerals(database, reads.tests, `training set ${set}`);
        const built = await buildTrainingSet({
          database,
          store: dependencies.store,
          labels: train.labels,
          views,
          features: views.map((view) => view.name),
          testFrom: train.split.testFrom,
          ...tableNames(project),
          rewrittenTables: rewrittenTables(project),
          versions: new Map(
            Object.entries(versions)
              .filter(([input]) => TABLE.test(input))
              .map(([input, version]) => [input.replace(TABLE, ''), version]),
          ),
          signal,
          onProgress: (at) => progress({ ...at }),
        });
        progress({ step: 'leak check' });
        const table = await readParquet(await dependencies.store.localPath(built.artifact.sha256), { signal });
        const files = new Map(views.map(({ name, file }) => [name, file]));
        const accepted = new Set(views.flatMap(({ leakAccepted = {} }) => Object.keys(leakAccepted)));
        const { notChecked } = await checkLeakage({ table, trainingSet: built, accepted, files, signal });
        const result: TrainingSetSummary = {
          set,
          // On the model card, what was not checked is something taken for granted.
          trainingSet: {
            ...built,
            definitions: definitionsOf(project, [train.labels, ...views]),
            assumptions: [...built.assumptions, ...notChecked.map((line) => `not checked for leaks: ${line}`)],
          },
          leakCheck: notChecked.length === 0 ? 'leak check passed' : 'leak check passed in part',
          notChecked,
          ...(warnings.length === 0 ? {} : { warnings }),
        };
        await saveOutcome(database, run, step, inputs, result, fence);
        return { result, reason: found.reuse === undefined ? found.reason : 'its file is gone from the store' };
      });
    },
  };
}

/** What the files read through `source()` and `ref()`, and the vars and macros they use. */
export function readsOf(
  project: Project,
  files: readonly SqlFile[],
): { sources: string[]; refs: string[]; uses: Record<string, string> } {
  // A transform that views read may be about an interval; only its names count here.
  const rendered = files.map((file) => renderSql(file, { ...tableNames(project), interval: ANY_INTERVAL }));
  return {
    sources: [...new Set(rendered.flatMap((one) => one.sources))],
    refs: [...new Set(rendered.flatMap((one) => one.refs))],
    uses: Object.assign({}, ...rendered.map((one) => one.uses)) as Record<string, string>,
  };
}

/** What labels and views read, and what is read by the tests of the ephemeral transforms that no transform with a table reads. */
export function trainingReads(project: Project, files: readonly SqlFile[], run: Pick<RunRef, 'interval'>) {
  const reads = readsOf(project, files);
  const inlined = inlinedBy(reads.uses);
  const alone = compileFor(project, run).ephemerals.filter(
    ({ name, readers }) => readers.length === 0 && inlined.includes(name),
  );
  const tests = alone.flatMap((one) => one.tests);
  return {
    sources: [...new Set([...reads.sources, ...tests.flatMap(({ sources }) => sources)])],
    refs: [...new Set([...reads.refs, ...tests.flatMap(({ refs }) => refs)])],
    uses: Object.assign({}, reads.uses, ...[...tests, ...alone].map(({ uses }) => uses)) as Record<string, string>,
    tests,
  };
}

/** Throws DataTestError; gives those that only warn. */
async function testEphemerals(database: Database, tests: readonly CompiledTest[], of: string): Promise<TestWarning[]> {
  const results = await database.session(async (session) => {
    const done: TestResult[] = [];
    for (const test of tests) done.push(await runTest(session, test, of));
    return done;
  });
  const failed = results.filter(({ passed }) => !passed);
  if (failed.some(({ severity }) => severity === 'error')) throw new DataTestError(of, results);
  return failed.map(({ name: test, failures, at }) => ({ test, failures, at }));
}

/** The files, the transforms they reach through `ref()`, and the types declared for what these read. */
function definitionsOf(project: Project, files: readonly SqlFile[]): Record<string, string> {
  const definitions: Record<string, string> = {};
  const add = (file: SqlFile): void => {
    if (definitions[file.file] !== undefined) return;
    definitions[file.file] = hash(file.sql);
    const { refs, sources, uses } = readsOf(project, [file]);
    for (const [name, value] of Object.entries(uses)) if (name.startsWith('ephemeral ')) definitions[name] = value;
    for (const source of sources)
      definitions[`source ${source}`] = hash(JSON.stringify(resourceNamed(project, source).columns));
    for (const ref of refs) add(transformNamed(project, ref));
  };
  files.forEach(add);
  return definitions;
}

/** Tables whose rows are replaced, so that they say what is known now and not what was known then. */
export function rewrittenTables(project: Project): Set<string> {
  const names = new Set(project.transforms.map((transform) => transform.name));
  for (const resource of project.resources) if (resource.write !== 'append') names.add(resource.id);
  return names;
}
