import { createHash } from 'node:crypto';
import { Transform } from 'node:stream';
import type { ArtifactRef } from '../model/artifact.js';

/** Passes bytes on and hashes them; `ref` is what has passed, to be asked for once, at the end. */
export function hashMeter(): { readonly meter: Transform; readonly ref: () => ArtifactRef } {
  const hash = createHash('sha256');
  let bytes = 0;
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  return { meter, ref: () => ({ sha256: hash.digest('hex'), bytes }) };
}
