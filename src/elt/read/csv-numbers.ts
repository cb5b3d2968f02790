import type { CsvOptions } from '../../model/project.js';

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
