import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import { nullCounter } from './count-nulls.js';

export interface PieceMeter extends Transform {
  /** So far. */
  readonly bytes: () => number;
  /** SHA-256 over all that went through. */
  readonly sha256: () => string;
  /** NULLs so far, by field. */
  readonly nulls: () => readonly number[];
}

/** Passes a stream of binary COPY of so many fields on, counted and hashed. Fails when it ends without its trailer, a count of -1 fields. */
export function meterPiece(fields: number): PieceMeter {
  const counter = nullCounter(fields);
  const hash = createHash('sha256');
  let bytes = 0;
  let end = Buffer.alloc(0);
  const meter = new Transform({
    transform(block: Buffer, _encoding, done) {
      hash.update(block);
      counter.take(block);
      bytes += block.length;
      end = Buffer.concat([end, block.subarray(-2)]).subarray(-2);
      done(null, block);
    },
    flush: (done) =>
      done(end.length === 2 && end.readInt16BE() === -1 ? null : new Error('the source ended too early')),
  });
  return Object.assign(meter, { bytes: () => bytes, sha256: () => hash.copy().digest('hex'), nulls: counter.nulls });
}
