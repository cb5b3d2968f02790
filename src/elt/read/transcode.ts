import { TerminalError } from '../../errors.js';
import type { TextEncoding } from '../../model/project.js';
import { wideEncoding } from './inspect-bytes.js';

export type ReadEncoding = 'utf-8' | 'utf-16le' | 'utf-16be' | 'latin-1' | 'windows-1252';

/**
 * How a text is encoded: as declared, else UTF-16 when a byte order mark says so, else UTF-8. UTF-16 without a mark has the
 * byte order that puts its NUL bytes where ASCII has them, else little-endian. Throws `ELT_FILE_ENCODING` when the mark says other than
 * what is declared, and for UTF-32; a retry does not help.
 *
 * @param head the first bytes, unpacked
 */
export function encodingOf(head: Buffer, file: string, declared?: TextEncoding): ReadEncoding {
  const wide = wideEncoding(head);
  const isUtf16 = wide === undefined || wide.name.startsWith('UTF-16');
  if (declared === 'utf-16' && isUtf16)
    return (wide?.name ?? likelyUtf16(head)) === 'UTF-16BE' ? 'utf-16be' : 'utf-16le';
  if (wide === undefined) return declared === undefined || declared === 'utf-16' ? 'utf-8' : declared;
  if (declared === undefined && isUtf16 && wide.marked) return wide.name === 'UTF-16BE' ? 'utf-16be' : 'utf-16le';
  throw new TerminalError(
    'ELT_FILE_ENCODING',
    `Reading ${file} failed: it is ${wide.name}${wide.marked ? '' : ' without a byte order mark'}; expected ${declared ?? 'UTF-8'}.`,
    {
      at: { file, line: 1 },
      next: isUtf16
        ? 'Set `encoding: utf-16` of the resource.'
        : `Convert it: iconv -f ${wide.name} -t UTF-8 '${file}'.`,
    },
  );
}

/**
 * The text as UTF-8, without a UTF-16 byte order mark. Half a surrogate pair, or half a UTF-16 unit at the end, becomes the byte FF, which no
 * UTF-8 holds: the row is then quarantined like any that is not valid text. Other encodings have a character for each byte.
 */
export async function* transcode(chunks: AsyncIterable<Buffer>, encoding: ReadEncoding): AsyncGenerator<Buffer> {
  if (encoding === 'latin-1' || encoding === 'windows-1252') {
    const decoder = new TextDecoder('windows-1252');
    for await (const chunk of chunks)
      yield Buffer.from(encoding === 'latin-1' ? chunk.toString('latin1') : decoder.decode(chunk, { stream: true }));
    return;
  }
  let rest: Buffer = Buffer.alloc(0);
  let isFirst = true;
  for await (const chunk of chunks) {
    const bytes = Buffer.concat([rest, chunk]);
    let end = bytes.length & ~1;
    // Half a pair waits for its other half.
    if (end >= 2 && isHighSurrogate(unitAt(bytes, end - 2, encoding))) end -= 2;
    rest = bytes.subarray(end);
    const text = decodeUtf16(bytes.subarray(0, end), encoding);
    if (text === '') continue;
    yield utf8(isFirst ? text.replace(/^\ufeff/, '') : text);
    isFirst = false;
  }
  if (rest.length > 0) yield NO_TEXT;
}

function likelyUtf16(head: Buffer): 'UTF-16LE' | 'UTF-16BE' {
  let even = 0;
  let odd = 0;
  head.subarray(0, 1024).forEach((byte, index) => {
    if (byte === 0 && index % 2 === 0) even++;
    else if (byte === 0) odd++;
  });
  return even > odd ? 'UTF-16BE' : 'UTF-16LE';
}

const NO_TEXT = Buffer.from([0xff]);

function decodeUtf16(bytes: Buffer, encoding: ReadEncoding): string {
  return (encoding === 'utf-16be' ? Buffer.from(bytes).swap16() : bytes).toString('utf16le');
}

function unitAt(bytes: Buffer, index: number, encoding: ReadEncoding): number {
  return encoding === 'utf-16be' ? bytes.readUInt16BE(index) : bytes.readUInt16LE(index);
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

function utf8(text: string): Buffer {
  const parts = text.split(/\p{Surrogate}/u);
  if (parts.length === 1) return Buffer.from(text);
  return Buffer.concat(
    parts.flatMap((part, index) => (index === 0 ? [Buffer.from(part)] : [NO_TEXT, Buffer.from(part)])),
  );
}
