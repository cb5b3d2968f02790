import type { ColumnType, CsvOptions } from '../../model/project.js';
import type { CsvField } from './csv-record.js';

/** Writes a number as databases read it; undefined for what is no number by these marks. */
export type NumberReader = (text: string) => string | undefined;

/** Numbers with other marks than a decimal point: `1.234,50` → `1234.50`. Undefined when the file's numbers are plain. */
export function numberReader({ decimal = '.', thousands }: CsvOptions): NumberReader | undefined {
  if (decimal === '.' && thousands === undefined) return undefined;
  const literal = (mark: string): string => mark.replace(/[.\\'^$*+?()[\]{}|]/g, '\\$&');
  // A blank between thousands is often one that does not break the line.
  const separator = thousands === ' ' ? '[ \\u00a0\\u202f]' : thousands === undefined ? undefined : literal(thousands);
  const whole = separator === undefined ? '\\d+' : `(?:\\d{1,3}(?:${separator}\\d{3})+|\\d+)`;
  const form = new RegExp(`^([+-]?${whole})(?:${literal(decimal)}(\\d+))?([eE][+-]?\\d+)?$`);
  const separators = separator === undefined ? undefined : new RegExp(separator, 'g');
  return (text) => {
    const [, integer, fraction, exponent = ''] = form.exec(text.trim()) ?? [];
    if (integer === undefined) return undefined;
    const digits = separators === undefined ? integer : integer.replace(separators, '');
    return `${digits}${fraction === undefined ? '' : `.${fraction}`}${exponent}`;
  };
}

/**
 * Which columns hold such numbers: those of a numeric type; of the others without a type, those whose values are numbers but for the tolerated
 * share. A code such as `1.234` among words stays a text.
 *
 * @param rows that are counted, at most
 */
export function numberColumns(
  headers: readonly string[],
  read: NumberReader,
  known: { readonly types: ReadonlyMap<string, ColumnType>; readonly tolerance: number },
  rows: number,
): { count(fields: readonly (string | null)[]): void; columns(): readonly boolean[] } {
  const numbers = headers.map(() => 0);
  const others = headers.map(() => 0);
  const mostOthers = known.tolerance * rows;
  // Those of which no number of further rows makes a column of numbers are looked at no more.
  const open = headers.flatMap((header, index) => (known.types.has(header) ? [] : [index]));
  return {
    count(fields) {
      for (let at = open.length - 1; at >= 0; at--) {
        const index = open[at]!;
        const text = fields[index]!;
        if (text === null) continue;
        if (read(text) !== undefined) numbers[index]!++;
        else if (++others[index]! > mostOthers) open.splice(at, 1);
      }
    },
    columns: () =>
      headers.map((header, index) => {
        const type = known.types.get(header);
        if (type !== undefined) return /^(bigint|double|numeric)/.test(type);
        return numbers[index]! > 0 && others[index]! <= known.tolerance * (numbers[index]! + others[index]!);
      }),
  };
}

/** The values of a record, NULL where an unquoted one is in `nulls`. */
export function valuesOf(fields: readonly CsvField[], nulls: ReadonlySet<string>): (string | null)[] {
  return fields.map(({ text, quoted }) => (!quoted && nulls.has(text) ? null : text));
}
