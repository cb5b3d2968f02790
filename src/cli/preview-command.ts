import { relative, resolve, sep } from 'node:path';
import { connectDatabase } from '../client/connect.js';
import { loadSettings } from '../config.js';
import { TerminalError } from '../errors.js';
import { withLookback } from '../model/data-interval.js';
import { singleStatement } from '../model/single-statement.js';
import { explainSqlError } from '../elt/transform/sql-error.js';
import type { Project, SqlFile } from '../model/project.js';
import { renderSql } from '../model/render-sql.js';
import { tableNames } from '../model/table-names.js';
import { loadProject } from '../project/load-project.js';
import { readText } from '../project/read-text.js';
import { BEFORE_QUERY, firstRows } from './first-rows.js';
import { intervalOption } from './interval-option.js';
import { showRows } from './show-rows.js';

export interface PreviewOptions {
  readonly env: string;
  readonly limit: number;
  readonly incremental: boolean;
  readonly interval?: string;
  readonly json: boolean;
}

/**
 * `plumbline preview`: the first rows of one file's SELECT, in a transaction that cannot write. Throws `ELT_SQL_ERROR` at
 * the user's line, or what rendering the file throws.
 */
export async function previewCommand(name: string, options: PreviewOptions): Promise<void> {
  const { root, ...settings } = await loadSettings({ cwd: process.cwd(), env: process.env });
  const project = await loadProject({ root, env: options.env });
  const file = await findFile(name, root, project);
  const names = tableNames(project);
  const self = names.refs.get(file.name);
  const interval = intervalOption(options.interval, project, new Date());
  const lookback = project.transforms.find(({ name }) => name === file.name)?.incremental?.lookback;
  const { sql, lines } = renderSql(file, {
    ...names,
    ...(self === undefined ? {} : { self }),
    isIncremental: options.incremental,
    ...(interval !== undefined && { interval: withLookback(interval, lookback) }),
  });
  const query = singleStatement(sql, file.file, lines);
  const database = connectDatabase({ root, ...settings }, 1);
  try {
    const prefix = `${BEFORE_QUERY}\n`;
    const rows = await firstRows(database, { query: `\n${query}`, schemas: [], limit: options.limit + 1 }).catch(
      (error: unknown) => {
        throw notBuilt(explainSqlError(error, { file: file.file, lines, prefix, sql: query }));
      },
    );
    showRows(rows, options);
  } finally {
    await database.close();
  }
}

/** By path, from where the command was started or from the project's root, or by name. */
async function findFile(name: string, root: string, { transforms, features, train }: Project): Promise<SqlFile> {
  const known: readonly SqlFile[] = [...transforms, ...features, ...(train === undefined ? [] : [train.labels])];
  const here = relative(root, resolve(name)).split(sep).join('/');
  const found = known.find(({ file }) => file === here || file === name) ?? known.find((one) => one.name === name);
  if (found !== undefined) return found;
  const path = here.startsWith('..') ? name : here;
  if (!path.endsWith('.sql')) {
    throw new TerminalError(
      'PROJECT_FILE_MISSING',
      `Looking for ${name} failed: no SQL file of the project has that name.`,
      {
        next:
          known.length === 0
            ? 'Name a file that ends in .sql.'
            : `Name a file, or one of ${known.map((one) => one.name).join(', ')}.`,
      },
    );
  }
  return { name: path.slice(path.lastIndexOf('/') + 1, -'.sql'.length), file: path, sql: await readText(root, path) };
}

/** What the file reads may only not be there yet. */
function notBuilt(error: unknown): unknown {
  if (!(error instanceof TerminalError) || error.details['sqlstate'] !== '42P01') return error;
  const { code, message, details, at } = error;
  return new TerminalError(code, message, {
    details,
    ...(at !== undefined && { at }),
    next: 'If the table is not built yet: `plumbline run load`, or `plumbline run transform --select` and its name.',
    cause: error,
  });
}
