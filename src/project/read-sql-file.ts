import type { z } from 'zod';
import { TerminalError } from '../errors.js';
import type { SqlFile } from '../model/project.js';
import { positionAt, type LocatedYaml } from './located-yaml.js';
import type { ProjectErrorCode } from './errors.js';
import type { Problem } from './problem.js';
import { readText } from './read-text.js';
import { describeIssues } from './schema/describe-issues.js';
import { readSqlHeader } from './sql-header.js';

export interface SqlFileWithHeader<Header> extends SqlFile {
  readonly header: Header;
  readonly yaml: LocatedYaml;
}

/**
 * An SQL file with its header checked. What is wrong in it goes to `report`, and undefined is the answer.
 * @param named where plumbline.yaml names the file
 */
export async function readSqlFile<Schema extends z.ZodType>(options: {
  readonly root: string;
  readonly file: string;
  readonly name: string;
  readonly schema: Schema;
  /** Keys without which the file cannot be what it is, for the message when there is no header at all. */
  readonly needs: readonly string[];
  readonly report: (problem: Problem) => void;
  readonly named?: { readonly file: string; readonly line?: number; readonly column?: number };
}): Promise<SqlFileWithHeader<z.infer<Schema>> | undefined> {
  const { root, file, name, schema, needs, report } = options;
  const sql = await readText(root, file, options.named).catch((error: unknown) => {
    if (!(error instanceof TerminalError)) throw error;
    report({
      code: error.code as ProjectErrorCode,
      message: error.message,
      at: error.at ?? { file },
      next: error.next ?? 'Correct the file.',
    });
    return undefined;
  });
  if (sql === undefined) return undefined;
  if (isWithoutStatement(sql)) {
    report({
      code: 'PROJECT_SQL_EMPTY',
      message: `Reading ${file} failed: it has no statement, expected one SELECT.`,
      at: { file, line: 1 },
      next: 'Write a SELECT, or remove the file.',
    });
    return undefined;
  }
  const { yaml, problems } = readSqlHeader(file, sql);
  problems.forEach(report);
  if (problems.length > 0) return undefined;
  if (needs.length > 0 && Object.keys(yaml.value as object).length === 0) {
    report({
      code: 'PROJECT_HEADER_MISSING',
      message: `Reading ${file} failed: its first lines do not say ${needs.join(', ')}.`,
      at: { file, line: 1 },
      next: `Begin the file with ${needs.map((key) => `\`-- ${key}: …\``).join(', ')}, one a line.`,
    });
    return undefined;
  }
  const parsed = schema.safeParse(yaml.value);
  if (parsed.success) return { name, file, sql, header: parsed.data, yaml };
  for (const problem of describeIssues(yaml, schema, parsed.error.issues)) {
    const isUnknown = problem.code === 'PROJECT_KEY_UNKNOWN';
    report(
      isUnknown ? { ...problem, next: `${problem.next} Prose goes below the first line that is no comment.` } : problem,
    );
  }
  return undefined;
}

export function headerPosition(yaml: LocatedYaml, ...path: readonly PropertyKey[]): { file: string; line: number } {
  return { file: yaml.file, line: positionAt(yaml, path).line ?? 1 };
}

function isWithoutStatement(sql: string): boolean {
  return (
    sql
      .replaceAll(/\/\*[\s\S]*?\*\//g, '')
      .replaceAll(/--[^\n]*/g, '')
      .replaceAll(/[\s;]/g, '') === ''
  );
}
