import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';

export interface PieceMeter extends Transform {
  /** So far. */
  readonly bytes: () => number;
  /** SHA-256 over all that went through. */
  readonly sha256: () => string;
}

/**
 * Passes a stream of binary COPY on, as `change` gives it, counted and hashed. Fails when it ends without its trailer, a
 * count of -1 fields.
 */
export function meterPiece(change: (block: Buffer) => Buffer = (block) => block): PieceMeter {
  const hash = createHash('sha256');
  let bytes = 0;
  let end = Buffer.alloc(0);
  const meter = new Transform({
    transform(from: Buffer, _encoding, done) {
      const block = change(from);
      hash.update(block);
      bytes += block.length;
      end = Buffer.concat([end, block.subarray(-2)]).subarray(-2);
      done(null, block);
    },
    flush: (done) =>
      done(end.length === 2 && end.readInt16BE() === -1 ? null : new Error('the source ended too early')),
  });
  return Object.assign(meter, { bytes: () => bytes, sha256: () => hash.copy().digest('hex') });
}
