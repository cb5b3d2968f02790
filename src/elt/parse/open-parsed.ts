import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { TerminalError } from '../../errors.js';
import { objectName } from '../../model/object-name.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { jsonMembers } from '../read/ndjson-line.js';
import { openJson, type ScanJson } from '../read/open-json.js';
import { keptText } from '../read/row-fault.js';
import type { RowSource } from '../read/row-source.js';
import { scanNdjson } from '../read/scan-ndjson.js';
import { parseObjects } from './parse-objects.js';

export interface ParsedSourceOptions {
  readonly parts: readonly { readonly name: string; readonly path: string; readonly columns: string }[];
  readonly code: string;
  readonly resource: Pick<ResourceConfig, 'id' | 'parse' | 'columns' | 'maxRejectedShare'>;
  readonly file: string;
  /** For temporary files. */
  readonly folder: string;
  /** Types by column that are declared, or that the table has. */
  readonly types: ReadonlyMap<string, ColumnType>;
  readonly environment: Readonly<NodeJS.ProcessEnv>;
  readonly signal?: AbortSignal | undefined;
  /** Takes what the parser prints, line by line. */
  readonly onLog?: ((line: string) => void) | undefined;
}

/**
 * The rows that a resource's parser makes of raw objects. A declared column that no row has is NULL, and an object may have no rows. Throws
 * `ELT_PARSER_…` (terminal), also when nothing says what columns there are.
 */
export async function openParsed(options: ParsedSourceOptions): Promise<RowSource> {
  const { parts, resource, folder, signal } = options;
  const rowsFile = join(folder, 'parsed.ndjson');
  const jobs = parts.map(({ name, path, columns }) => ({
    name,
    path,
    columns: jsonMembers(columns).map(({ key, source }) => [JSON.stringify(key), source] as const),
  }));
  const { refused } = await parseObjects({ ...options, jobs, rowsFile });
  const bytes = { path: rowsFile, file: options.file, compression: 'none', encoding: 'utf-8' } as const;
  const scan: ScanJson = (scanning) => scanNdjson(bytes, { ...scanning, mayBeEmpty: true });
  const source = await openJson(scan, {
    file: options.file,
    folder,
    declared: options.types,
    tolerance: resource.maxRejectedShare,
    format: 'ndjson',
    signal,
    optional: Object.keys(resource.columns),
  });
  if (source.headers.length === 0) throw withoutColumns(options, [...refused.values()]);
  return {
    ...source,
    faults: source.faults.map((fault) => {
      const object = fault.line === null ? undefined : refused.get(fault.line);
      return object === undefined ? fault : { ...fault, reason: keptText(`${resource.parse!.file}: ${object.reason}`), raw: objectName(object.name) }; // prettier-ignore
    }),
    dialect: { format: 'parsed', rows: await hashOf(rowsFile) },
  };
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

function withoutColumns(
  { resource, parts, file }: ParsedSourceOptions,
  refused: readonly { readonly name: string; readonly reason: string }[],
): TerminalError {
  const first = refused[0];
  const found = first === undefined ? 'gave no row' : `refused ${refused.length}, the first with: ${first.reason}`;
  return new TerminalError(
    'ELT_PARSER_FAILED',
    `The parser ${resource.parse!.file} of ${resource.id} was given ${parts.length} ${parts.length === 1 ? 'object' : 'objects'} of ${file} and ${found}; expected rows, which say what columns there are.`,
    {
      at: { file: resource.parse!.file },
      details: { refused: refused.slice(0, 10) },
      next: 'Correct the module, or declare `columns`, so that a table without rows can be made.',
    },
  );
}
