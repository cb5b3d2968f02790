import { randomUUID } from 'node:crypto';

/** UUID version 7 (RFC 9562 §5.7): milliseconds first, so that ids sort by time; the rest is random. */
export function predictionId(nowMs: number): string {
  const time = nowMs.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
