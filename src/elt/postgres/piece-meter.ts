import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';

export interface PieceMeter extends Transform {
  /** So far. */
  readonly bytes: () => number;
  /** SHA-256 over all that went through. */
  readonly sha256: () => string;
}

export interface MeterOptions {
  /** What goes on in place of a block. @default the block */
  readonly change?: (block: Buffer) => Buffer;
  /** Something to wait for before the next block. @default nothing */
  readonly settle?: () => Promise<void> | undefined;
  /** Whether the stream that has ended is all of it. @default it ends with the trailer of binary COPY, a count of -1 fields */
  readonly isWhole?: () => boolean;
}

/** Passes a stream of COPY on, as `change` gives it, counted and hashed. Fails when it ends too early. */
export function meterPiece({ change = (block) => block, settle, isWhole }: MeterOptions = {}): PieceMeter {
  const hash = createHash('sha256');
  let bytes = 0;
  let end = Buffer.alloc(0);
  const hasTrailer = (): boolean => end.length === 2 && end.readInt16BE() === -1;
  const meter = new Transform({
    transform(from: Buffer, _encoding, done) {
      const block = change(from);
      hash.update(block);
      bytes += block.length;
      end = Buffer.concat([end, block.subarray(-2)]).subarray(-2);
      const waiting = settle?.();
      if (waiting === undefined) done(null, block);
      else waiting.then(() => done(null, block), done);
    },
    flush: (done) => done((isWhole ?? hasTrailer)() ? null : new Error('the source ended too early')),
  });
  return Object.assign(meter, { bytes: () => bytes, sha256: () => hash.copy().digest('hex') });
}
