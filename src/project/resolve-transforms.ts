import type { TransformFile } from '../model/project.js';
import { listNamedFiles } from './list-named-files.js';
import { positionAt, type LocatedYaml } from './located-yaml.js';
import { didYouMean } from '../model/nearest.js';
import type { Problem } from './problem.js';
import { readSqlFile } from './read-sql-file.js';
import { resolveIncremental } from './resolve-incremental.js';
import { resolveSnapshot } from './resolve-snapshot.js';
import { resolveTests } from './resolve-tests.js';
import { transformHeader } from './schema/headers.js';
import type { ProjectYaml } from './schema/project.js';

const NAMES_INTERVAL = /\{[{%][^}]*\binterval\.\w/;

/** The files of sql/ and snapshots/ with the tests of their headers and of plumbline.yaml, in the order of their names. */
export async function resolveTransforms(options: {
  readonly root: string;
  readonly yaml: LocatedYaml;
  readonly project: ProjectYaml;
  /** Names of the seeds, which `ref` and `relationships` know too. */
  readonly seeds: readonly string[];
  /** Names of what `sources` load, which `relationships` knows. */
  readonly resources: readonly string[];
  readonly report: (problem: Problem) => void;
  readonly applied: (line: string) => void;
}): Promise<TransformFile[]> {
  const { root, yaml, project, seeds, resources, report, applied } = options;
  const files = [
    ...(await listNamedFiles(root, 'sql', '.sql', report)),
    ...(await listNamedFiles(root, 'snapshots', '.sql', report)),
  ].filter(({ file }) => file !== project.train?.labels);
  const names = files.map(({ name }) => name);
  for (const table of Object.keys(project.tests ?? {})) {
    if (names.includes(table)) continue;
    report({
      code: 'PROJECT_REFERENCE_UNKNOWN',
      message: `Reading ${yaml.file} failed: there is no sql/${table}.sql to test${didYouMean(table, names) || '.'}`,
      at: positionAt(yaml, ['tests', table], 'key'),
      next: names.length === 0 ? 'Add the file.' : `Name one of ${names.join(', ')}, or add the file.`,
    });
  }
  const transforms: TransformFile[] = [];
  for (const { name, file } of files) {
    const read = await readSqlFile({ root, file, name, schema: transformHeader, needs: [], report });
    if (read === undefined) continue;
    const { tests = [] } = read.header;
    const usual = file.startsWith('snapshots/') ? 'snapshot' : 'table';
    const materialized = read.header.materialized ?? usual;
    const isSnapshot = materialized === 'snapshot';
    const incremental = isSnapshot ? undefined : resolveIncremental(read, { report, applied });
    const snapshot = resolveSnapshot(read, isSnapshot, { report, applied });
    if (read.header.materialized === undefined) applied(`${file}: materialized = ${usual}`);
    if ((materialized === 'table' || materialized === 'view') && NAMES_INTERVAL.test(read.sql))
      applied(`${file}: holds the interval of the last run alone (an incremental table keeps each)`);
    transforms.push({
      name,
      file,
      sql: read.sql,
      materialized,
      ...(incremental === undefined ? {} : { incremental }),
      ...(snapshot === undefined ? {} : { snapshot }),
      tests: [
        ...resolveTests(tests, read.yaml, ['tests']),
        ...resolveTests(project.tests?.[name] ?? [], yaml, ['tests', name]),
      ],
    });
  }
  refuseSeedNames(files, seeds, report);
  refuseUnknownRelations(transforms, [...seeds, ...resources], report);
  return transforms;
}

function refuseSeedNames(
  files: readonly { readonly name: string; readonly file: string }[],
  seeds: readonly string[],
  report: (problem: Problem) => void,
): void {
  for (const { name, file } of files) {
    if (!seeds.includes(name)) continue;
    report({
      code: 'PROJECT_NAME_TAKEN',
      message: `Reading ${file} failed: ref('${name}') would also mean seeds/${name}.csv.`,
      at: { file },
      next: 'Rename one of the two.',
    });
  }
}

function refuseUnknownRelations(
  transforms: readonly TransformFile[],
  loaded: readonly string[],
  report: (problem: Problem) => void,
): void {
  const names = [...transforms.map(({ name }) => name), ...loaded];
  for (const test of transforms.flatMap(({ tests }) => tests)) {
    if (test.kind !== 'relationships') continue;
    if (transforms.some(({ name, materialized }) => name === test.to && materialized === 'ephemeral')) {
      report({
        code: 'PROJECT_VALUE_INVALID',
        message: `Reading ${test.at.file} failed: relationships to ${test.to}, which is ephemeral and makes no table.`,
        at: test.at,
        next: `Materialize ${test.to} as a view, or write the test as SQL.`,
      });
    }
    if (names.includes(test.to)) continue;
    report({
      code: 'PROJECT_REFERENCE_UNKNOWN',
      message: `Reading ${test.at.file} failed: relationships to ${test.to}: there is no sql/${test.to}.sql, and no seed or source of that name${didYouMean(test.to, names) || '.'}`,
      at: test.at,
      next: `Name one of ${names.join(', ')}.`,
    });
  }
}
