import { createHash } from 'node:crypto';
import type { TransformFile } from '../../model/project.js';
import { ephemeralName, overQuery } from '../../model/inline-ephemerals.js';
import { renderSql } from '../../model/render-sql.js';
import { compileTest, TABLE_UNDER_TEST, type CompiledTest, type TestContext } from '../tests/compile-test.js';

/** A transform that makes no table. */
export interface EphemeralNode {
  readonly name: string;
  /** Transforms with a table that it reads, through other ephemeral ones too. Sorted. */
  readonly deps: readonly string[];
  /** Ephemeral ones that it reads, through others too. */
  readonly inlines: readonly string[];
  /** Transforms with a table that read it, through other ephemeral ones too. */
  readonly readers: readonly string[];
  /** They are run for each reader, and by themselves where only feature views and labels read it. */
  readonly tests: readonly CompiledTest[];
  /** `tests of …` → the digest of what they say; empty without tests. */
  readonly uses: Readonly<Record<string, string>>;
}

/** @param nodes `uses` has `ephemeral <name>` for each that is part of it */
export function ephemeralNodes(
  transforms: readonly TransformFile[],
  nodes: readonly { readonly name: string; readonly uses: Readonly<Record<string, string>> }[],
  names: Omit<TestContext, 'name'>,
): EphemeralNode[] {
  return transforms
    .filter(({ materialized }) => materialized === 'ephemeral')
    .map((file) => {
      const { refs, uses } = rowsOf(file, names);
      return {
        name: file.name,
        deps: refs,
        inlines: inlinedBy(uses).filter((name) => name !== file.name),
        readers: nodes.filter((node) => inlinedBy(node.uses).includes(file.name)).map(({ name }) => name),
        tests: testsOfEphemeral(file, names),
        uses: testDigest(file),
      };
    });
}

/** The ephemeral transforms that are part of a rendered file. */
export function inlinedBy(uses: Readonly<Record<string, string>>): string[] {
  return Object.keys(uses).flatMap((name) => (name.startsWith('ephemeral ') ? [name.slice('ephemeral '.length)] : []));
}

/** The tests of a transform that makes no table are those of each table that reads it. */
export function testsOfEphemeral(file: TransformFile, names: Omit<TestContext, 'name'>): CompiledTest[] {
  const { name, tests } = file;
  if (tests.length === 0) return [];
  const rows = rowsOf(file, names);
  const stand = ephemeralName(`${name}__test`);
  return tests
    .flatMap((test) => compileTest(test, { ...names, name }))
    .map((test) => ({
      ...test,
      name: `${test.name} of ${name}`,
      sql: overQuery(stand, rows.sql, test.sql.replaceAll(TABLE_UNDER_TEST, stand)),
      refs: distinct([...test.refs, ...rows.refs]),
      sources: distinct([...test.sources, ...rows.sources]),
      uses: { ...rows.uses, ...test.uses },
    }));
}

export function testDigest({ name, tests }: TransformFile): Record<string, string> {
  if (tests.length === 0) return {};
  const said = JSON.stringify(tests.map(({ at: _at, ...test }) => test));
  return { [`tests of ${name}`]: createHash('sha256').update(said).digest('hex') };
}

function rowsOf({ name, file }: TransformFile, names: Omit<TestContext, 'name'>) {
  return renderSql({ name, file, sql: `SELECT * FROM {{ ref(${JSON.stringify(name)}) }}` }, names);
}

function distinct(names: readonly string[]): string[] {
  return [...new Set(names)].sort();
}
