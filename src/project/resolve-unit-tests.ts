import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { TerminalError } from '../errors.js';
import type { FixtureRows, UnitTest } from '../model/project.js';
import type { ProjectErrorCode } from './errors.js';
import { parseYaml, positionAt, type LocatedYaml } from './located-yaml.js';
import { didYouMean } from '../model/nearest.js';
import type { Problem } from './problem.js';
import { readText } from './read-text.js';
import { describeIssues } from './schema/describe-issues.js';
import type { ProjectYaml } from './schema/project.js';
import { unitTestFile, type UnitTestYaml } from './schema/unit-tests.js';

const FOLDER = 'tests/unit';

interface UnitTestList {
  readonly yaml: LocatedYaml;
  readonly tests: readonly UnitTestYaml[];
}

/** The unit tests of plumbline.yaml and of tests/unit/*.yaml, in the order of the files. */
export async function resolveUnitTests(options: {
  readonly root: string;
  readonly yaml: LocatedYaml;
  readonly project: ProjectYaml;
  /** What can be tested: transforms, feature views, the labels. */
  readonly models: readonly string[];
  readonly report: (problem: Problem) => void;
}): Promise<UnitTest[]> {
  const { root, yaml, project, models, report } = options;
  const lists: UnitTestList[] = [{ yaml, tests: project.unit_tests ?? [] }];
  for (const name of await listFiles(root)) {
    const read = await readFile(root, `${FOLDER}/${name}`, report);
    if (read !== undefined) lists.push(read);
  }
  const tests = lists.flatMap((list) => list.tests.map((test, index) => resolveTest(test, index, list.yaml)));
  const places = new Map<string, UnitTest['at']>();
  for (const { name, model, at } of tests) {
    const other = places.get(name);
    if (other !== undefined) {
      report({
        code: 'PROJECT_NAME_TAKEN',
        message: `Reading ${at.file} failed: ${other.file}:${other.line} has a unit test ${name} already.`,
        at,
        next: 'Rename one of the two.',
      });
    }
    places.set(name, at);
    if (models.includes(model)) continue;
    report({
      code: 'PROJECT_REFERENCE_UNKNOWN',
      message: `Reading ${at.file} failed: unit test ${name} is of ${model}, which is no transform, feature view or labels${didYouMean(model, models) || '.'}`,
      at,
      next: models.length === 0 ? 'Add the SQL file.' : `Name one of ${models.join(', ')}.`,
    });
  }
  return tests;
}

async function listFiles(root: string): Promise<string[]> {
  const names = await readdir(join(root, FOLDER)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return [];
    throw error;
  });
  return names.filter((name) => /\.ya?ml$/.test(name) && !name.startsWith('.')).sort();
}

async function readFile(
  root: string,
  file: string,
  report: (problem: Problem) => void,
): Promise<UnitTestList | undefined> {
  let content: string;
  try {
    content = await readText(root, file);
  } catch (error) {
    if (!(error instanceof TerminalError)) throw error;
    const { code, message, at = { file }, next = 'Correct the file.' } = error;
    report({ code: code as ProjectErrorCode, message, at, next });
    return undefined;
  }
  const { yaml, problems } = parseYaml(file, content);
  problems.forEach(report);
  if (problems.length > 0) return undefined;
  const parsed = unitTestFile.safeParse(yaml.value);
  if (parsed.success) return { yaml, tests: parsed.data.unit_tests };
  describeIssues(yaml, unitTestFile, parsed.error.issues).forEach(report);
  return undefined;
}

function resolveTest(test: UnitTestYaml, index: number, yaml: LocatedYaml): UnitTest {
  const { name, model, given = [], expect, overrides = {} } = test;
  const placeOf = (...path: readonly PropertyKey[]): UnitTest['at'] => ({
    file: yaml.file,
    line: positionAt(yaml, ['unit_tests', index, ...path]).line ?? 1,
  });
  return {
    name,
    model,
    at: placeOf(),
    given: given.map(({ input, ...rows }, nth) => ({ input, at: placeOf('given', nth), rows: resolveRows(rows) })),
    expect: { at: placeOf('expect'), rows: resolveRows(expect) },
    isIncremental: overrides.is_incremental ?? overrides.macros?.is_incremental ?? false,
    vars: overrides.vars ?? {},
  };
}

function resolveRows({ rows, format }: Pick<UnitTestYaml['expect'], 'rows' | 'format'>): FixtureRows {
  // The schema has seen to it that text and format go together.
  if (typeof rows === 'string') return format === 'csv' ? { format, csv: rows } : { format: 'sql', sql: rows };
  return { format: 'dict', rows };
}
