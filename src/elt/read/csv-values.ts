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
  /** Databases read such a value as another one, too: 1.234 between whose digits is a point. */
  readonly isAmbiguous: boolean;
}

/** Those that the project speaks of; none when the file's values are plain. */
export function valueReaders(csv: CsvOptions): ValueReader[] {
  const { decimal = '.', thousands, dateFormat } = csv;
  const [numbers, dates] = [numberReader(csv), dateReader(csv)];
  const marks = `${JSON.stringify(decimal)} before decimals${thousands === undefined ? '' : ` and ${JSON.stringify(thousands)} between thousands`}`;
  return [
    ...(numbers ? [{ read: numbers, types: /^(bigint|double|numeric)/, expected: `a number with ${marks}`, isAmbiguous: thousands === '.' }] : []),
    ...(dates ? [{ read: dates, types: /^(date|timestamp)$/, expected: `a date as ${dateFormat}`, isAmbiguous: false }] : []),
  ]; // prettier-ignore
}

/** How the columns of a file are read. */
export interface ReaderColumns {
  /** Undefined for one whose values stay as they are. */
  readonly readers: readonly (ValueReader | undefined)[];
  /** Columns whose values stay as they are, though some would be other ones: no number may be made of them. */
  readonly isDoubtful: readonly boolean[];
}

/**
 * Which columns hold such values: those of a type that they have; of the others without a type, those whose values are all written so but
 * for the tolerated share. A code such as `1.234` among words stays a text.
 *
 * @param names of the columns
 * @param rows that are counted, at most
 */
export function readerColumns(
  names: readonly string[],
  readers: readonly ValueReader[],
  known: { readonly types: ReadonlyMap<string, ColumnType>; readonly tolerance: number },
  rows: number,
): { count(fields: readonly (string | null)[]): void; columns(): ReaderColumns } {
  const mostMisfits = known.tolerance * rows;
  const counts = readers.map((reader) => ({
    reader,
    fitting: names.map(() => 0),
    misfits: names.map(() => 0),
    isOther: names.map(() => false),
    // Those of which no further row says anything new are looked at no more.
    open: names.flatMap((name, index) => (known.types.has(name) ? [] : [index])),
  }));
  return {
    count(fields) {
      for (const { reader, fitting, misfits, isOther, open } of counts)
        for (let at = open.length - 1; at >= 0; at--) {
          const index = open[at]!;
          const text = fields[index]!;
          if (text === null) continue;
          const plain = reader.read(text);
          if (plain === undefined) misfits[index]!++;
          else {
            fitting[index]!++;
            isOther[index] ||= reader.isAmbiguous && plain !== text.trim();
          }
          if (misfits[index]! > mostMisfits && (isOther[index] || !reader.isAmbiguous)) open.splice(at, 1);
        }
    },
    columns() {
      const read = names.map((name, index) => {
        const type = known.types.get(name);
        if (type !== undefined) return readers.find(({ types }) => types.test(type));
        const isReadBy = ({ fitting, misfits }: (typeof counts)[number]): boolean =>
          fitting[index]! > 0 && misfits[index]! <= known.tolerance * (fitting[index]! + misfits[index]!);
        return counts.find(isReadBy)?.reader;
      });
      const isDoubtful = read.map(
        (reader, index) => reader === undefined && counts.some(({ isOther }) => isOther[index]),
      );
      return { readers: read, isDoubtful };
    },
  };
}

/** The values of a record, NULL where an unquoted one is in `nulls`. */
export function valuesOf(fields: readonly CsvField[], nulls: ReadonlySet<string>): (string | null)[] {
  return fields.map(({ text, quoted }) => (!quoted && nulls.has(text) ? null : text));
}
