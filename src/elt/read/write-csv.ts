import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';

export interface CsvWriter {
  /** NULL is written without quotes, every text with them. */
  add(fields: readonly (string | null)[]): void;
  /** Waits until what was added so far is on its way to disk. */
  drain(): Promise<void>;
  end(): Promise<void>;
}

/** A comma-separated file without a header, as the readers make of what DuckDB cannot read row by row itself. */
export function writeCsv(path: string): CsvWriter {
  const stream = createWriteStream(path, { highWaterMark: 1 << 20 });
  let lines: string[] = [];
  const drain = async (): Promise<void> => {
    const text = lines.join('');
    lines = [];
    if (text !== '' && !stream.write(text)) await once(stream, 'drain');
  };
  return {
    add(fields) {
      lines.push(`${fields.map((field) => (field === null ? '' : `"${field.replaceAll('"', '""')}"`)).join(',')}\n`);
    },
    drain,
    async end() {
      await drain();
      stream.end();
      await finished(stream);
    },
  };
}
