import { Readable } from 'node:stream';
import { constants, crc32, createInflateRaw } from 'node:zlib';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { TerminalError } from '../../errors.js';
import type { ResourceConfig } from '../../model/project.js';
import { assertUnpackable } from '../read/unpack-limits.js';
import { matchesGlob, type MatchedFile } from './match-files.js';
import { plural } from '../../model/plural.js';

export interface ZipMember {
  /** `<archive>!<name inside>` */
  readonly path: string;
  /** Unpacked. */
  readonly bytes: number;
  /** Of the unpacked bytes, as the archive says; `open` checks it. */
  readonly crc32: number;
  /** The unpacked bytes; ends with `ELT_ZIP_BROKEN` when they are not what the archive says. */
  open(): Readable;
}

/** Whether a file is read as a zip archive: its resource names a `member`, or its name says so. */
export function isArchive(path: string, { member }: ResourceConfig): boolean {
  return member !== undefined || /\.zip$/i.test(path);
}

/**
 * Lends the members of a zip archive that match `member`, in the order of their names by code point; without `member`, the one file that
 * the archive holds. Nothing is written under a member's name. Terminal: `ELT_ZIP_BROKEN` (no archive, damaged, encrypted, a packing
 * other than deflate, a name that leaves the archive, a link), `ELT_ZIP_MEMBER` (no match, or no `member` and several files),
 * `ELT_FILE_BOMB`.
 */
export async function withZipMembers<T>(
  { absolute, path }: MatchedFile,
  resource: ResourceConfig,
  work: (members: readonly ZipMember[]) => Promise<T>,
): Promise<T> {
  const archive = await openPromise(absolute, { lazyEntries: true, autoClose: false }).catch((error: unknown) => {
    throw (error as NodeJS.ErrnoException).code === undefined ? broken(path, error) : error;
  });
  try {
    const entries = chosen(await filesOf(archive, path), path, resource);
    for (const entry of entries) assertReadable(entry, path);
    // Members that share their bytes are small each and large together.
    assertUnpackable(
      path,
      archive.fileSize,
      entries.reduce((sum, entry) => sum + entry.uncompressedSize, 0),
    );
    return await work(entries.map((entry) => memberOf(archive, entry, path)));
  } finally {
    archive.close();
  }
}

async function filesOf(archive: ZipFile, path: string): Promise<Entry[]> {
  const files: Entry[] = [];
  try {
    for await (const entry of archive.eachEntry()) if (!entry.fileName.endsWith('/')) files.push(entry);
  } catch (error) {
    throw broken(path, error);
  }
  files.sort((one, other) => (one.fileName < other.fileName ? -1 : 1));
  // By its name a member is known again: of two, one would never be read.
  const repeated = files.find(({ fileName }, index) => files[index + 1]?.fileName === fileName);
  if (repeated !== undefined) throw broken(path, `it has ${JSON.stringify(repeated.fileName)} twice`);
  return files;
}

function chosen(files: readonly Entry[], path: string, resource: ResourceConfig): readonly Entry[] {
  const { member } = resource;
  const matching = member === undefined ? files : files.filter(({ fileName }) => matchesGlob(member, fileName));
  if (matching.length === 1 || (member !== undefined && matching.length > 1)) return matching;
  const names = files.slice(0, 10).map(({ fileName }) => JSON.stringify(fileName));
  const holds = `it holds ${files.length} ${plural(files.length, 'file')}${names.length === 0 ? '' : `: ${names.join(', ')}${files.length > 10 ? ' …' : ''}`}`;
  throw new TerminalError(
    'ELT_ZIP_MEMBER',
    member === undefined
      ? `Reading ${path} failed: ${holds}; expected one.`
      : `Reading ${path} failed: no file in it matches ${JSON.stringify(member)}; ${holds}.`,
    { at: resource.at, details: { path }, next: `Name what to read, for example \`member: '*.csv'\`.` },
  );
}

const SYMBOLIC_LINK = 0o120000;
const FILE_TYPE = 0o170000;

function assertReadable(entry: Entry, path: string): void {
  const mode = entry.externalFileAttributes >>> 16;
  if ((mode & FILE_TYPE) === SYMBOLIC_LINK) throw broken(path, `${JSON.stringify(entry.fileName)} is a symbolic link`);
  if (entry.isEncrypted()) throw broken(path, `${JSON.stringify(entry.fileName)} is encrypted`);
  if (!entry.canDecodeFileData())
    throw broken(
      path,
      `${JSON.stringify(entry.fileName)} is packed by method ${entry.compressionMethod}, expected deflate`,
    );
  assertUnpackable(`${path}!${entry.fileName}`, entry.compressedSize, entry.uncompressedSize);
}

function memberOf(archive: ZipFile, entry: Entry, archivePath: string): ZipMember {
  const path = `${archivePath}!${entry.fileName}`;
  return {
    path,
    bytes: entry.uncompressedSize,
    crc32: entry.crc32,
    open: () => Readable.from(unpack(archive, entry, path)),
  };
}

const DEFLATE = 8;
// yauzl's own chunks are of 16 KiB, each of which takes a turn of the event loop, and of several streams.
const CHUNK_BYTES = 1 << 20;

/** What the archive says of the bytes is checked: their number and their checksum. */
async function* unpack(archive: ZipFile, entry: Entry, path: string): AsyncGenerator<Buffer> {
  let bytes = 0;
  let sum = 0;
  try {
    const packed = await archive.openReadStreamPromise(entry, { decodeFileData: false });
    const unpacked = entry.compressionMethod === DEFLATE ? inflate(packed, entry.uncompressedSize) : packed;
    for await (const chunk of unpacked as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > entry.uncompressedSize) break;
      sum = crc32(chunk, sum);
      yield chunk;
    }
  } catch (error) {
    throw broken(path, error);
  }
  if (bytes !== entry.uncompressedSize)
    throw broken(
      path,
      `it says ${entry.uncompressedSize} bytes and has ${bytes > entry.uncompressedSize ? 'more' : bytes}`,
    );
  if (sum !== entry.crc32) throw broken(path, 'its checksum is wrong');
}

async function* inflate(packed: Readable, bytes: number): AsyncGenerator<Buffer> {
  const unpacked = createInflateRaw({ chunkSize: Math.min(CHUNK_BYTES, Math.max(bytes, constants.Z_MIN_CHUNK)) });
  packed.once('error', (error: Error) => unpacked.destroy(error));
  try {
    yield* packed.pipe(unpacked) as AsyncIterable<Buffer>;
  } finally {
    packed.destroy();
    unpacked.destroy();
  }
}

function broken(path: string, why: unknown): TerminalError {
  return new TerminalError(
    'ELT_ZIP_BROKEN',
    `Unpacking ${path} failed: ${why instanceof Error ? why.message : String(why)}.`,
    {
      at: { file: path },
      next: 'Fetch or pack the archive again; `unzip -t` checks it. The table keeps its former rows.',
      ...(why instanceof Error && { cause: why }),
    },
  );
}
