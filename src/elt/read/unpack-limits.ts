import { TerminalError } from '../../errors.js';

// Tables of one repeated line pack about 1:300 at most times; deflate's own bound is 1:1032, which is what bombs come near to.
const MAX_RATIO = 400;
const RATIO_MATTERS_FROM_BYTES = 64 << 20;
const MAX_UNPACKED_BYTES = 1024 ** 4;

/**
 * Throws `ELT_FILE_BOMB` (terminal) when so many packed bytes have given, or say they will give, more than 1 TiB, or more
 * than 400 times as much and over 64 MiB: such a file is made to fill a disk.
 */
export function assertUnpackable(file: string, packedBytes: number, unpackedBytes: number): void {
  const isBomb = unpackedBytes > RATIO_MATTERS_FROM_BYTES && unpackedBytes > MAX_RATIO * packedBytes;
  if (!isBomb && unpackedBytes <= MAX_UNPACKED_BYTES) return;
  throw new TerminalError(
    'ELT_FILE_BOMB',
    `Unpacking ${file} was stopped: ${packedBytes} bytes unpack to ${unpackedBytes} or more; expected at most ${MAX_RATIO} times as much, and at most 1 TiB.`,
    {
      at: { file },
      next: 'If you trust the file, unpack it yourself and name what it holds. The table keeps its former rows.',
    },
  );
}
