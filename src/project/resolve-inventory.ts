import { z } from 'zod';
import { TerminalError } from '../errors.js';
import type { InventoryConfig, ParserConfig } from '../model/project.js';
import type { ProjectErrorCode } from './errors.js';
import { positionAt } from './located-yaml.js';
import { moduleDigest } from './module-digest.js';
import type { Problem } from './problem.js';
import { intervalMs } from './rate.js';
import { readSqlFile } from './read-sql-file.js';
import type { FilesPlace } from './resolve-files-resource.js';
import type { ResourceScope } from './resource-place.js';
import { parseShare } from './share.js';

const header = z.strictObject({ description: z.string().optional().describe('What the file is, in words.') });

/** The inventory of a resource with its SQL; undefined when something is wrong, which is reported. */
export async function resolveInventory(
  { given, path }: FilesPlace,
  { root, yaml, report, applied }: ResourceScope,
): Promise<InventoryConfig | undefined> {
  const place = path.join('.');
  const file = given.inventory!;
  const clashing = (['path', 'member'] as const).find((key) => given[key] !== undefined);
  if (clashing !== undefined) {
    report({
      code: 'PROJECT_VALUE_INVALID',
      message: `Reading ${yaml.file} failed: ${place} has an inventory and a ${clashing}; the inventory's \`url\` says what is read.`,
      at: positionAt(yaml, path, 'key'),
      next: `Remove \`${clashing}\` or \`inventory\`.`,
    });
    return undefined;
  }
  const position = positionAt(yaml, [...path, 'inventory']);
  const named = { file: yaml.file, ...(position.line !== undefined && { line: position.line }) };
  const name = file.replace(/^.*\//, '').replace(/\.sql$/, '');
  const read = await readSqlFile({ root, file, name, schema: header, needs: [], report, named });
  if (read === undefined) return undefined;
  if (given.rate_limit === undefined) applied(`${place}.rate_limit = none`);
  if (given.max_missing === undefined) applied(`${place}.max_missing = 0`);
  return {
    query: { name, file, sql: read.sql },
    headers: given.headers ?? {},
    intervalMs: intervalMs(given.rate_limit),
    maxMissingShare: parseShare(given.max_missing ?? 0),
  };
}

/** A resource's parser with its digest; undefined when something is wrong, which is reported. */
export async function resolveParser(
  { given, path }: FilesPlace,
  { root, yaml, report }: ResourceScope,
): Promise<ParserConfig | undefined> {
  const place = path.join('.');
  const refuse = (problem: Omit<Problem, 'at'> & Partial<Pick<Problem, 'at'>>): undefined =>
    void report({ at: positionAt(yaml, [...path, 'parse']), ...problem });
  const clashing = (['format', 'csv', 'encoding'] as const).find((key) => given[key] !== undefined);
  if (clashing !== undefined)
    return refuse({
      code: 'PROJECT_VALUE_INVALID',
      message: `Reading ${yaml.file} failed: ${place} has a parser and \`${clashing}\`; the parser gets the bytes as they are.`,
      next: `Remove \`${clashing}\` or \`parse\`.`,
    });
  const file = given.parse!;
  const position = positionAt(yaml, [...path, 'parse']);
  const named = { file: yaml.file, ...(position.line !== undefined && { line: position.line }) };
  try {
    return { file, digest: await moduleDigest(root, file, named) };
  } catch (error) {
    if (!(error instanceof TerminalError)) throw error;
    return refuse({
      code: error.code as ProjectErrorCode,
      message: error.message,
      at: error.at ?? named,
      next: error.next ?? 'Correct the file.',
    });
  }
}
