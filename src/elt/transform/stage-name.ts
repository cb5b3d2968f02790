import { createHash } from 'node:crypto';
import type { Schemas } from '../../model/project.js';
import type { TableName } from '../publish/table-name.js';

/** `<stage>.<name>__<run id>`; a name PostgreSQL would cut (over 63 bytes) ends in a hash instead. */
export function stageName(schemas: Schemas, name: string, runId: string): TableName {
  const full = `${name}__${runId}`;
  if (Buffer.byteLength(full) <= 63) return { schema: schemas.stage, name: full };
  const hash = createHash('sha256').update(full).digest('hex').slice(0, 16);
  return { schema: schemas.stage, name: `${Buffer.from(name).subarray(0, 40).toString().replace(/�+$/, '')}__${hash}` };
}
