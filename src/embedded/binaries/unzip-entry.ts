import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createInflateRaw } from 'node:zlib';

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly compressedBytes: number;
  readonly headerOffset: number;
}

/**
 * Writes the one entry of a zip file whose name ends in `suffix` to `target`. Reads what wheels are made of: stored and
 * deflated entries, no zip64, no encryption (APPNOTE.TXT 4.3). Throws when the entry is missing or packed otherwise.
 */
export async function unzipEntry(archive: string, suffix: string, target: string): Promise<void> {
  const file = await open(archive, 'r');
  let entry: Entry | undefined;
  let start: number;
  try {
    entry = (await readDirectory(file)).find(({ name }) => name.endsWith(suffix));
    if (entry === undefined) throw new Error(`${archive} has no entry that ends in ${suffix}`);
    const local = await readAt(file, entry.headerOffset, 30);
    start = entry.headerOffset + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
  } finally {
    await file.close();
  }
  const packed = createReadStream(archive, { start, end: start + entry.compressedBytes - 1, highWaterMark: 1 << 20 });
  const output = createWriteStream(target, { flags: 'wx', mode: 0o755, flush: true });
  if (entry.method === 0) await pipeline(packed, output);
  else if (entry.method === 8) await pipeline(packed, createInflateRaw({ chunkSize: 1 << 20 }), output);
  else throw new Error(`${archive}: entry ${entry.name} uses compression method ${entry.method}, expected 0 or 8`);
}

async function readDirectory(file: FileHandle): Promise<Entry[]> {
  const { size } = await file.stat();
  // The end record is 22 bytes and a comment of at most 65,535.
  const tail = await readAt(file, Math.max(0, size - 65_557), Math.min(size, 65_557));
  const end = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (end < 0) throw new Error('not a zip file: the end record is missing');
  const directory = await readAt(file, tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
  const entries: Entry[] = [];
  for (let at = 0; at + 46 <= directory.length && directory.readUInt32LE(at) === 0x02014b50;) {
    const nameBytes = directory.readUInt16LE(at + 28);
    entries.push({
      name: directory.toString('utf8', at + 46, at + 46 + nameBytes),
      method: directory.readUInt16LE(at + 10),
      compressedBytes: directory.readUInt32LE(at + 20),
      headerOffset: directory.readUInt32LE(at + 42),
    });
    at += 46 + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return entries;
}

type FileHandle = Awaited<ReturnType<typeof open>>;

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  if (bytesRead !== length)
    throw new Error(`the file is cut: expected ${length} bytes at ${position}, got ${bytesRead}`);
  return buffer;
}
