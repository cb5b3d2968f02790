import { TerminalError } from '../errors.js';
import type { FixtureRows, UnitTest } from '../model/project.js';
import type { ProjectErrorCode } from './errors.js';
import { listFiles } from './list-files.js';
import { parseYaml, positionAt, type LocatedYaml } from './located-yaml.js';
import type { DataInterval } from '../model/data-interval.js';
import { didYouMean } from '../model/nearest.js';
import { parseInterval } from '../model/parse-interval.js';
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

/** The unit tests of plumbline.yaml and of tests/unit/, in the order of the files. */
export async function resolveUnitTests(options: {
  readonly root: string;
  readonly yaml: LocatedYaml;
  readonly project: ProjectYaml;
  /** What can be tested: transforms, feature views, the labels. */
  readonly models: readonly string[];
  /** Whose days an interval without an offset has. */
  readonly timezone: string;
  readonly report: (problem: Problem) => void;
}): Promise<UnitTest[]> {
  const { root, yaml, project, models, report } = options;
  const lists: UnitTestList[] = [{ yaml, tests: project.unit_tests ?? [] }];
  for (const file of await listFiles(root, FOLDER, /\.ya?ml$/)) {
    const read = await readFile(root, file, report);
    if (read !== undefined) lists.push(read);
  }
  const tests = lists.flatMap((list) => list.tests.map((test, index) => resolveTest(test, index, list.yaml, options)));
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

function resolveTest(
  test: UnitTestYaml,
  index: number,
  yaml: LocatedYaml,
  { timezone, report }: { readonly timezone: string; readonly report: (problem: Problem) => void },
): UnitTest {
  const { name, model, given = [], expect, overrides = {} } = test;
  const placeOf = (...path: readonly PropertyKey[]): UnitTest['at'] => ({
    file: yaml.file,
    line: positionAt(yaml, ['unit_tests', index, ...path]).line ?? 1,
  });
  const interval = overrides.interval === undefined ? undefined : intervalOf(overrides.interval);
  return {
    name,
    model,
    at: placeOf(),
    given: given.map(({ input, ...rows }, nth) => ({ input, at: placeOf('given', nth), rows: resolveRows(rows) })),
    expect: { at: placeOf('expect'), rows: resolveRows(expect) },
    isIncremental: overrides.is_incremental ?? overrides.macros?.is_incremental ?? false,
    ...(interval !== undefined && { interval }),
    vars: overrides.vars ?? {},
  };

  function intervalOf(text: string): DataInterval | undefined {
    try {
      return parseInterval(text, timezone);
    } catch (error) {
      if (!(error instanceof TerminalError)) throw error;
      report({
        code: 'PROJECT_VALUE_INVALID',
        message: error.message,
        at: placeOf('overrides', 'interval'),
        next: error.next!,
      });
      return undefined;
    }
  }
}

function resolveRows({ rows, format }: Pick<UnitTestYaml['expect'], 'rows' | 'format'>): FixtureRows {
  // The schema has seen to it that text and format go together.
  if (typeof rows === 'string') return format === 'csv' ? { format, csv: rows } : { format: 'sql', sql: rows };
  return { format: 'dict', rows };
}
