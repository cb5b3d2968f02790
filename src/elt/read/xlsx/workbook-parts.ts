import { crc32 } from 'node:zlib';
import { SaxesParser, type SaxesTagPlain } from 'saxes';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { assertUnpackable } from '../unpack-limits.js';
import { brokenWorkbook } from './broken-workbook.js';

export interface PartEvents {
  /** Names come without their namespace prefix, which writers choose freely. */
  readonly onOpen?: (name: string, attributes: Readonly<Record<string, string>>) => void;
  readonly onText?: (text: string) => void;
  readonly onClose?: (name: string) => void;
  /** Between pieces of the part; reading waits for it. */
  readonly onChunk?: () => Promise<void>;
}

/** The XML files of a workbook. */
export interface WorkbookParts {
  has(part: string): boolean;
  /** Reads one part from its beginning to its end. Throws `ELT_XLSX_BROKEN`, `ELT_FILE_BOMB`. */
  read(part: string, events: PartEvents): Promise<void>;
}

/**
 * Lends the parts of a workbook. No DOCTYPE is read, so that no entity can grow or fetch anything; checksums are compared, and a part that would
 * unpack to far too much is not unpacked. Throws `ELT_XLSX_BROKEN`, `ELT_FILE_BOMB` (terminal).
 */
export async function withWorkbookParts<T>(
  path: string,
  file: string,
  work: (parts: WorkbookParts) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const archive = await openPromise(path, { lazyEntries: true, autoClose: false }).catch((error: unknown) => {
    throw brokenWorkbook(file, error);
  });
  try {
    const entries = new Map<string, Entry>();
    let unpacked = 0;
    try {
      for await (const entry of archive.eachEntry()) {
        // Excel takes part names without regard to case.
        entries.set(entry.fileName.toLowerCase(), entry);
        unpacked += entry.uncompressedSize;
      }
    } catch (error) {
      throw brokenWorkbook(file, error);
    }
    assertUnpackable(file, archive.fileSize, unpacked);
    return await work({
      has: (part) => entries.has(part.toLowerCase()),
      async read(part, events) {
        const entry = entries.get(part.toLowerCase());
        if (entry === undefined) throw brokenWorkbook(file, `it has no part ${part}`);
        assertUnpackable(`${file}!${part}`, entry.compressedSize, entry.uncompressedSize);
        try {
          await parse(unpack(archive, entry), events, signal);
        } catch (error) {
          signal?.throwIfAborted();
          throw brokenWorkbook(`${file}!${part}`, error);
        }
      },
    });
  } finally {
    archive.close();
  }
}

async function parse(chunks: AsyncIterable<Buffer>, events: PartEvents, signal?: AbortSignal): Promise<void> {
  const parser = new SaxesParser();
  parser.on('doctype', () => {
    throw new Error('it has a DOCTYPE, which no workbook needs');
  });
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name, attributes }: SaxesTagPlain) => events.onOpen?.(local(name), attributes));
  parser.on('text', (text) => events.onText?.(text));
  parser.on('cdata', (text) => events.onText?.(text));
  parser.on('closetag', ({ name }) => events.onClose?.(local(name)));
  const decoder = new TextDecoder('utf-8', { fatal: true });
  for await (const chunk of chunks) {
    signal?.throwIfAborted();
    parser.write(decoder.decode(chunk, { stream: true }));
    await events.onChunk?.();
  }
  parser.write(decoder.decode()).close();
}

/** yauzl checks the length; the checksum is ours to check. */
async function* unpack(archive: ZipFile, entry: Entry): AsyncGenerator<Buffer> {
  let sum = 0;
  for await (const chunk of (await archive.openReadStreamPromise(entry)) as AsyncIterable<Buffer>) {
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (sum !== entry.crc32) throw new Error('its checksum is wrong');
}

function local(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}
