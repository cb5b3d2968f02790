import { createHash } from 'node:crypto';
import { TerminalError } from '../errors.js';
import type { SqlFile } from './project.js';
import type { RenderedSql } from './render-sql.js';
import { singleStatement } from './single-statement.js';
import { identifier } from './sql-identifier.js';

/** What stands where a SELECT names an ephemeral transform; dbt's name for it. */
export function ephemeralName(name: string): string {
  return identifier(`__dbt__cte__${name}`);
}

/** A rendered file with the ephemeral transforms that it names itself. */
export type RenderedFile = RenderedSql & { readonly ephemerals: readonly string[] };

/**
 * A SELECT with the SELECTs of all ephemeral transforms behind it as common table expressions, each after those it reads. What
 * they read and use, the whole reads and uses. Lines of theirs count as the line that names one. Throws `ELT_SQL_CYCLE` and
 * `ELT_SQL_NOT_A_SELECT`.
 *
 * @param render renders an ephemeral transform
 */
export function inlineEphemerals(
  file: SqlFile,
  own: RenderedFile,
  render: (name: string) => { readonly file: SqlFile; readonly rendered: RenderedFile },
): RenderedSql {
  const found = new Map<string, { readonly file: SqlFile; readonly rendered: RenderedFile; readonly sql: string }>();
  const visit = (name: string, path: readonly string[]): void => {
    if (path.includes(name)) throw cycleError(file, [...path.slice(path.indexOf(name)), name]);
    if (found.has(name)) return;
    const one = render(name);
    for (const next of one.rendered.ephemerals) visit(next, [...path, name]);
    found.set(name, { ...one, sql: singleStatement(one.rendered.sql, one.file.file, one.rendered.lines) });
  };
  for (const name of own.ephemerals) visit(name, []);
  const expressions = [...found].map(([name, { sql }]) => ({ name: ephemeralName(name), sql }));
  const query = singleStatement(own.sql, file.file, own.lines);
  const { before, after } = aroundQuery(expressions);
  const all = [own, ...[...found.values()].map(({ rendered }) => rendered)];
  const named = lineNaming(own.ephemerals, file);
  return {
    sql: `${before}${query}${after}`,
    refs: [...new Set(all.flatMap(({ refs }) => refs))].sort(),
    sources: [...new Set(all.flatMap(({ sources }) => sources))].sort(),
    sourceTables: [...new Set(all.flatMap(({ sourceTables }) => sourceTables))].sort(),
    lines: [...Array<number>(before.split('\n').length - 1).fill(named), ...own.lines, named],
    uses: Object.assign(
      {},
      ...all.map(({ uses }) => uses),
      ...[...found].map(([name, { sql }]) => ({ [`ephemeral ${name}`]: digest(sql) })),
    ) as RenderedSql['uses'],
  };
}

/** What makes a SELECT, which may have common table expressions of its own, one that can read others too. */
function aroundQuery(expressions: readonly { readonly name: string; readonly sql: string }[]) {
  const list = expressions.map(({ name, sql }) => `${name} AS (\n${sql}\n)`).join(', ');
  return { before: `WITH ${list}\nSELECT * FROM (\n`, after: '\n) AS "__dbt__query"' };
}

/** A SELECT that reads another one by a name. */
export function overQuery(name: string, read: string, query: string): string {
  const { before, after } = aroundQuery([{ name, sql: read }]);
  return `${before}${query}${after}`;
}

function lineNaming(names: readonly string[], { sql }: SqlFile): number {
  const at = sql.split('\n').findIndex((line) => /\bref\b/.test(line) && names.some((name) => line.includes(name)));
  return at < 0 ? 1 : at + 1;
}

function digest(sql: string): string {
  return createHash('sha256').update(sql).digest('hex');
}

function cycleError(file: SqlFile, circle: readonly string[]): TerminalError {
  return new TerminalError(
    'ELT_SQL_CYCLE',
    `Reading ${file.file} failed: ephemeral transforms refer to each other in a circle: ${circle.join(' → ')}.`,
    { at: { file: file.file }, details: { cycle: circle }, next: 'Take one of these `ref` out.' },
  );
}
