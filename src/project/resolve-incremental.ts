import type { z } from 'zod';
import type { IncrementalConfig } from '../model/project.js';
import { positionAt, type LocatedYaml } from './located-yaml.js';
import type { Problem } from './problem.js';
import type { transformHeader } from './schema/headers.js';

type Header = z.infer<typeof transformHeader>;

/** The settings of an incremental table; undefined for any other, and when something is wrong with them. */
export function resolveIncremental(
  { file, header, yaml }: { readonly file: string; readonly header: Header; readonly yaml: LocatedYaml },
  { report, applied }: { readonly report: (problem: Problem) => void; readonly applied: (line: string) => void },
): IncrementalConfig | undefined {
  const { materialized, strategy, unique_key, interval_column, lookback, on_schema_change } = header;
  const refuse = (key: string, what: string, next: string): undefined => {
    const message = `Reading ${file} failed: ${what}.`;
    report({ code: 'PROJECT_VALUE_INVALID', message, at: positionAt(yaml, [key], 'key'), next });
    return undefined;
  };
  if (materialized !== 'incremental') {
    const keys = ['strategy', 'unique_key', 'interval_column', 'lookback', 'on_schema_change'] as const;
    const key = keys.find((one) => header[one] !== undefined);
    if (key !== undefined) refuse(key, `${key} is for incremental tables`, 'Add `-- materialized: incremental`.');
    return undefined;
  }
  if (strategy === 'timestamp' || strategy === 'check')
    return refuse('strategy', `strategy ${strategy} is for snapshots`, 'Write `merge` or `delete+insert`.');
  const next = 'Write `-- unique_key: …`, or `-- interval_column: …` for delete+insert.';
  if (unique_key !== undefined && interval_column !== undefined)
    return refuse('interval_column', 'unique_key and interval_column exclude each other', 'Remove one of the two.');
  if (unique_key === undefined && interval_column === undefined)
    return refuse('materialized', 'an incremental table needs unique_key or interval_column', next);
  if (strategy === 'merge' && unique_key === undefined)
    return refuse('strategy', 'strategy merge needs unique_key', 'Add `-- unique_key: …`.');
  if (lookback !== undefined && interval_column === undefined)
    return refuse('lookback', 'lookback needs interval_column', 'Write `-- interval_column: …`, or remove it.');
  const chosen = strategy ?? (unique_key === undefined ? 'delete+insert' : 'merge');
  if (strategy === undefined) applied(`${file}: strategy = ${chosen}`);
  if (on_schema_change === undefined) applied(`${file}: on_schema_change = fail`);
  return {
    strategy: chosen,
    uniqueKey: [unique_key ?? []].flat(),
    ...(interval_column === undefined ? {} : { intervalColumn: interval_column }),
    ...(lookback === undefined ? {} : { lookback }),
    onSchemaChange: on_schema_change ?? 'fail',
  };
}
