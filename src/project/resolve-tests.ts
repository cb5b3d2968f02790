import type { DataTest } from '../model/project.js';
import { positionAt, type LocatedYaml, type Path } from './located-yaml.js';
import type { DataTestYaml } from './schema/data-tests.js';

/** The tests of one table in the order of the file. @param path of the list */
export function resolveTests(tests: readonly DataTestYaml[], yaml: LocatedYaml, path: Path): DataTest[] {
  return tests.map((test, index) => {
    const at = { file: yaml.file, line: positionAt(yaml, [...path, index]).line ?? 1 };
    const severity = test.severity === 'warn' ? { severity: test.severity } : {};
    const where = test.where === undefined ? {} : { where: test.where };
    return { at, ...severity, ...where, ...resolveTest(test, index) };
  });
}

type Unplaced = DataTest extends infer Test
  ? Test extends unknown
    ? Omit<Test, 'at' | 'severity' | 'where'>
    : never
  : never;

function resolveTest(test: DataTestYaml, index: number): Unplaced {
  if (test.not_null !== undefined) return { kind: 'not_null', columns: [test.not_null].flat() };
  if (test.unique !== undefined) return { kind: 'unique', columns: [test.unique].flat() };
  if (test.accepted_values !== undefined) return { kind: 'accepted_values', ...test.accepted_values };
  if (test.relationships !== undefined) return { kind: 'relationships', ...test.relationships };
  if (test.row_count !== undefined) {
    const { min, max } = test.row_count;
    return { kind: 'row_count', ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) };
  }
  if (test.accepted_range !== undefined) {
    const { column, min, max } = test.accepted_range;
    return {
      kind: 'accepted_range',
      column,
      ...(min === undefined ? {} : { min }),
      ...(max === undefined ? {} : { max }),
    };
  }
  if (test.expression_is_true !== undefined) return { kind: 'expression_is_true', expression: test.expression_is_true };
  // The schema lets exactly one kind through.
  return { kind: 'sql', name: test.name ?? `sql_${index + 1}`, sql: test.sql! };
}
