import type { ColumnType } from '../model/project.js';

/** Declared types as the loader names them: `numeric(38, 9)` is `numeric(38,9)`. */
export function resolveColumns(given: Readonly<Record<string, string>> = {}): Record<string, ColumnType> {
  return Object.fromEntries(
    Object.entries(given).map(([name, type]) => [
      name,
      // The pattern of the schema lets no other text through.
      type.replaceAll(' ,', ',').replaceAll(', ', ',') as ColumnType,
    ]),
  );
}
