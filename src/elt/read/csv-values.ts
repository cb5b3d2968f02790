import type { ColumnType, CsvOptions } from '../../model/project.js';
import { dateReader } from './csv-dates.js';
import { numberReader } from './csv-numbers.js';
import type { CsvField } from './csv-record.js';

/** Values that the project writes otherwise than databases read them. */
export interface ValueReader {
  /** As databases read it; undefined for what is not written so. */
  readonly read: (text: string) => string | undefined;
  /** Types of columns whose values are written so. */
  readonly types: RegExp;
  /** What a value has to be, for the reason of a reject. */
  readonly expected: string;
}

/** Those that the project speaks of; none when the file's values are plain. */
export function valueReaders(csv: CsvOptions): ValueReader[] {
  const { decimal = '.', thousands, dateFormat } = csv;
  const [numbers, dates] = [numberReader(csv), dateReader(csv)];
  const marks = `${JSON.stringify(decimal)} before decimals${thousands === undefined ? '' : ` and ${JSON.stringify(thousands)} between thousands`}`;
  return [
    ...(numbers ? [{ read: numbers, types: /^(bigint|double|numeric)/, expected: `a number with ${marks}` }] : []),
    ...(dates ? [{ read: dates, types: /^(date|timestamp)$/, expected: `a date as ${dateFormat}` }] : []),
  ];
}

/**
 * Which columns hold such values: those of a type that they have; of the others without a type, those whose values are all written so but
 * for the tolerated share. A code such as `1.234` among words stays a text.
 */
export function readerColumns(
  headers: readonly string[],
  readers: readonly ValueReader[],
  known: { readonly types: ReadonlyMap<string, ColumnType>; readonly tolerance: number },
): { count(fields: readonly (string | null)[]): void; columns(): readonly (ValueReader | undefined)[] } {
  const values = headers.map(() => 0);
  const fitting = readers.map(() => headers.map(() => 0));
  return {
    count(fields) {
      fields.forEach((text, index) => {
        if (text === null) return;
        values[index]!++;
        readers.forEach(({ read }, which) => {
          if (read(text) !== undefined) fitting[which]![index]!++;
        });
      });
    },
    columns: () =>
      headers.map((header, index) => {
        const type = known.types.get(header);
        if (type !== undefined) return readers.find(({ types }) => types.test(type));
        const misfits = (which: number): number => values[index]! - fitting[which]![index]!;
        return readers.find(
          (_, which) => fitting[which]![index]! > 0 && misfits(which) <= known.tolerance * values[index]!,
        );
      }),
  };
}

/** The values of a record, NULL where an unquoted one is in `nulls`. */
export function valuesOf(fields: readonly CsvField[], nulls: ReadonlySet<string>): (string | null)[] {
  return fields.map(({ text, quoted }) => (!quoted && nulls.has(text) ? null : text));
}
