import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { plainName } from './file-format.js';
import type { ByteSource } from './open-bytes.js';
import { openCsv } from './open-csv.js';
import type { RowSource } from './row-source.js';

/** A CSV file of a resource, written as the project says, else with the delimiter that the name's ending promises. Throws what `openCsv` does. */
export function openCsvOf(
  { csv, maxRejectedShare: tolerance, contract }: Pick<ResourceConfig, 'csv' | 'maxRejectedShare' | 'contract'>,
  bytes: ByteSource,
  options: {
    /** For a cleaned copy. */
    readonly folder: string;
    readonly types: ReadonlyMap<string, ColumnType>;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<RowSource> {
  const { folder, types, signal } = options;
  const settings = { ...(/\.(tsv|tab)$/.test(plainName(bytes.file)) && { delimiter: '\t' }), ...csv };
  return openCsv(bytes, folder, settings, signal, { types, tolerance, misfits: contract?.types });
}
