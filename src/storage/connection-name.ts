import { createHash } from 'node:crypto';

/** `plumbline/<run>/<step>` in hashes: application_name holds 63 bytes. */
export function connectionName(runId: string, step?: string): string {
  const short = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 16);
  return step === undefined ? `plumbline/${short(runId)}` : `plumbline/${short(runId)}/${short(step)}`;
}
