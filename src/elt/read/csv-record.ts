/** How a CSV file is written. `quote` is off for files that hold bare quotation marks, as many tab-separated ones do. */
export interface CsvDialect {
  readonly delimiter: number;
  readonly quote: boolean;
  /** 10, or 13 for files that end their lines with CR alone. */
  readonly lineEnd: 10 | 13;
}

export interface CsvField {
  readonly text: string;
  readonly quoted: boolean;
}

const QUOTE = 34;
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
  const { delimiter, lineEnd } = dialect;
  const broken = (fault: string): RecordShape => {
    const end = buffer.indexOf(lineEnd, start);
    return { end: end === -1 ? buffer.length : end, fields: 0, quoted: 0, innerLines: 0, bareReturn: false, fault };
  };
  for (;;) {
    // At the start of a field: blanks before an opening mark do not belong to the value.
    let opening = index;
    while (opening < buffer.length && buffer[opening] === SPACE) opening++;
    if (dialect.quote && buffer[opening] === QUOTE) {
      quoted++;
      index = opening + 1;
      for (;;) {
        const close = buffer.indexOf(QUOTE, index);
        if (close === -1) return last ? broken('a quotation mark opens a value and none closes it') : undefined;
        innerLines += countByte(buffer, lineEnd, index, close);
        if (close + 1 >= buffer.length && !last) return undefined;
        index = close + 1;
        if (buffer[index] !== QUOTE) break;
        index++;
      }
      while (buffer[index] === SPACE) index++;
      const next = buffer[index];
      if (next === CR && buffer[index + 1] === lineEnd) index++;
      else if (next === undefined && !last) return undefined;
      else if (
        next !== undefined &&
        next !== delimiter &&
        next !== lineEnd &&
        !(next === CR && index + 1 === buffer.length)
      )
        return broken('text follows the closing quotation mark of a value');
    } else {
      for (; index < buffer.length; index++) {
        const byte = buffer[index];
        if (byte === delimiter || byte === lineEnd) break;
        if (byte === CR && index + 1 < buffer.length && buffer[index + 1] !== lineEnd) bareReturn = true;
      }
    }
    if (index >= buffer.length && !last) return undefined;
    if (buffer[index] !== delimiter)
      return { end: Math.min(index, buffer.length), fields, quoted, innerLines, bareReturn };
    fields++;
    index++;
  }
}

/** The values of one well-formed record, without its line end. */
export function fieldsOf(record: Buffer, dialect: CsvDialect): CsvField[] {
  const fields: CsvField[] = [];
  let index = 0;
  for (;;) {
    let opening = index;
    while (record[opening] === SPACE) opening++;
    if (dialect.quote && record[opening] === QUOTE) {
      let text = '';
      index = opening + 1;
      for (;;) {
        const close = record.indexOf(QUOTE, index);
        if (close === -1) throw new RangeError('the record is not well formed');
        text += record.toString('utf8', index, close);
        index = close + 1;
        if (record[index] !== QUOTE) break;
        text += '"';
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

function countByte(buffer: Buffer, byte: number, from: number, to: number): number {
  let count = 0;
  for (let index = buffer.indexOf(byte, from); index !== -1 && index < to; index = buffer.indexOf(byte, index + 1))
    count++;
  return count;
}
