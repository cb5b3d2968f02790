/** How a CSV file is written; characters are bytes of ASCII. */
export interface CsvDialect {
  readonly delimiter: number;
  /** Undefined for files that hold bare quotation marks, as many tab-separated ones do. */
  readonly quote: number | undefined;
  /** Stands before a mark inside a quoted value, or before itself; undefined where a mark is doubled. */
  readonly escape?: number | undefined;
  /** 10, or 13 for files that end their lines with CR alone. */
  readonly lineEnd: 10 | 13;
}

export interface CsvField {
  readonly text: string;
  readonly quoted: boolean;
}

export const QUOTE = 34;
const SPACE = 32;
const CR = 13;

/** Where a record ends and what it is made of. `end` is the index of its line end. */
export interface RecordShape {
  readonly end: number;
  readonly fields: number;
  readonly quoted: number;
  /** Line ends inside quoted fields. */
  readonly innerLines: number;
  /** A carriage return outside quotes, not at the end. */
  readonly bareReturn: boolean;
  /** A quoted field that never closes, or text after its closing mark. */
  readonly fault?: string;
}

/**
 * The record that starts at `start`, or undefined when it does not end before `buffer` does and `last` is false.
 * A record whose quoting is broken ends at its first line end, so one stray mark costs one line and not the file.
 */
export function recordAt(buffer: Buffer, start: number, dialect: CsvDialect, last: boolean): RecordShape | undefined {
  let fields = 1;
  let quoted = 0;
  let innerLines = 0;
  let bareReturn = false;
  let index = start;
  const { length } = buffer;
  const { delimiter, lineEnd, quote, escape } = dialect;
  for (;;) {
    // At the start of a field: blanks before an opening mark do not belong to the value.
    let opening = index;
    while (opening < length && buffer[opening] === SPACE) opening++;
    if (quote !== undefined && opening < length && buffer[opening] === quote) {
      quoted++;
      // Byte by byte: values are short, and a call of indexOf for each mark takes longer than the bytes between.
      for (index = opening + 1; index < length; index++) {
        const byte = buffer[index];
        if (byte === lineEnd) innerLines++;
        else if (byte === quote) {
          if (escape !== undefined || index + 1 >= length || buffer[index + 1] !== quote) break;
          index++;
        } else if (byte === escape) {
          index++;
          if (buffer[index] === lineEnd) innerLines++;
        }
      }
      if (index >= length)
        return last ? brokenAt(buffer, start, lineEnd, 'a quotation mark opens a value and none closes it') : undefined;
      // The next byte says whether the mark closes the value.
      if (index + 1 >= length && !last) return undefined;
      index++;
      while (buffer[index] === SPACE) index++;
      const next = buffer[index];
      if (next === CR && buffer[index + 1] === lineEnd) index++;
      else if (next === undefined && !last) return undefined;
      else if (next !== undefined && next !== delimiter && next !== lineEnd && !(next === CR && index + 1 === length))
        return brokenAt(buffer, start, lineEnd, 'text follows the closing quotation mark of a value');
    } else {
      for (; index < length; index++) {
        const byte = buffer[index];
        if (byte === delimiter || byte === lineEnd) break;
        if (byte === CR && index + 1 < length && buffer[index + 1] !== lineEnd) bareReturn = true;
      }
    }
    if (index >= length && !last) return undefined;
    if (index >= length || buffer[index] !== delimiter)
      return { end: Math.min(index, length), fields, quoted, innerLines, bareReturn };
    fields++;
    index++;
  }
}

function brokenAt(buffer: Buffer, start: number, lineEnd: number, fault: string): RecordShape {
  const end = buffer.indexOf(lineEnd, start);
  return { end: end === -1 ? buffer.length : end, fields: 0, quoted: 0, innerLines: 0, bareReturn: false, fault };
}

/** The next mark that no escape stands before, from inside a quoted value; -1 when there is none. */
function closingMark(buffer: Buffer, from: number, quote: number, escape: number | undefined): number {
  if (escape === undefined) return buffer.indexOf(quote, from);
  for (let index = from; index < buffer.length; index++) {
    if (buffer[index] === escape) index++;
    else if (buffer[index] === quote) return index;
  }
  return -1;
}

function plainFields(record: Buffer, { delimiter }: CsvDialect): CsvField[] {
  const values = record.toString('utf8').split(String.fromCharCode(delimiter));
  return values.map((text) => ({ text, quoted: false }));
}

/** The values of one well-formed record, without its line end. */
export function fieldsOf(record: Buffer, dialect: CsvDialect): CsvField[] {
  const { quote, escape } = dialect;
  if (quote === undefined || !record.includes(quote)) return plainFields(record, dialect);
  const fields: CsvField[] = [];
  let index = 0;
  for (;;) {
    let opening = index;
    while (record[opening] === SPACE) opening++;
    if (quote !== undefined && record[opening] === quote) {
      let text = '';
      index = opening + 1;
      for (;;) {
        const close = closingMark(record, index, quote, escape);
        if (close === -1) throw new RangeError('the record is not well formed');
        text += unescaped(record.toString('utf8', index, close), quote, escape);
        index = close + 1;
        if (escape !== undefined || record[index] !== quote) break;
        text += String.fromCharCode(quote);
        index++;
      }
      fields.push({ text, quoted: true });
      while (index < record.length && record[index] !== dialect.delimiter) index++;
    } else {
      const start = index;
      index = record.indexOf(dialect.delimiter, start);
      if (index === -1) index = record.length;
      fields.push({ text: record.toString('utf8', start, index), quoted: false });
    }
    if (index >= record.length) return fields;
    index++;
  }
}

/** Only a mark and the escape itself are escaped: `\n` in such a file stays a backslash and an n. */
function unescaped(text: string, quote: number, escape: number | undefined): string {
  if (escape === undefined) return text;
  const [mark, sign] = [String.fromCharCode(quote), String.fromCharCode(escape)];
  const parts = text.split(sign + sign);
  return parts.map((part) => part.replaceAll(sign + mark, mark)).join(sign);
}
