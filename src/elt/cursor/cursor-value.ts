import type { CursorConfig } from '../../model/project.js';

type CursorType = CursorConfig['type'];

const TIMESTAMP =
  /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?\s*(Z|[+-]\d{2}(?::?\d{2})?)?)?$/i;
const NANOSECONDS = 1_000_000n;

/**
 * A cursor as a whole number that orders it: nanoseconds since 1970 UTC for a timestamp, which is UTC where it has no zone.
 * Undefined for a text of another form.
 */
export function cursorOrder(type: CursorType, text: string): bigint | undefined {
  if (type === 'integer') return /^-?\d+$/.test(text) ? BigInt(text) : undefined;
  const [, day, clock = '00:00', fraction = '', zone = 'Z'] = TIMESTAMP.exec(text.trim()) ?? [];
  if (day === undefined) return undefined;
  const offset = zone.toUpperCase() === 'Z' ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3).replace(':', '') || '00'}`;
  const milliseconds = Date.parse(`${day}T${clock}${clock.length === 5 ? ':00' : ''}${offset}`);
  // Date.parse lets 30 February through as 1 or 2 March.
  if (Number.isNaN(milliseconds) || !isDay(day)) return undefined;
  return BigInt(milliseconds) * NANOSECONDS + BigInt(fraction.padEnd(9, '0'));
}

function isDay(day: string): boolean {
  const date = new Date(`${day}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day);
}

/** The greater of two cursors, either of which may be missing; of equal ones the first. */
export function laterCursor(type: CursorType, one: string | null, other: string | null): string | null {
  if (one === null || other === null) return one ?? other;
  return cursorOrder(type, other)! > cursorOrder(type, one)! ? other : one;
}

/** Where to ask from: `lag` before the cursor, a day where it is one, never later than it says. */
export function cursorBefore({ type, lag }: CursorConfig, text: string): string {
  if (lag === 0) return text;
  const order = cursorOrder(type, text)!;
  if (type === 'integer') return String(order - BigInt(lag));
  return formatTimestamp(order - BigInt(lag) * NANOSECONDS, /^\d{4}-\d{2}-\d{2}$/.test(text.trim()));
}

/** The cursor, or `now` where it lies behind that: a clock that was wrong for one row must not hide all later ones. */
export function notAfter({ type }: CursorConfig, text: string, now: Date): string {
  if (type === 'integer' || cursorOrder(type, text)! <= BigInt(now.getTime()) * NANOSECONDS) return text;
  return formatTimestamp(BigInt(now.getTime()) * NANOSECONDS, /^\d{4}-\d{2}-\d{2}$/.test(text.trim()));
}

function formatTimestamp(order: bigint, isDate: boolean): string {
  const second = 1_000n * NANOSECONDS;
  const fraction = ((order % second) + second) % second;
  const whole = new Date(Number((order - fraction) / NANOSECONDS)).toISOString();
  if (isDate) return whole.slice(0, 10);
  const digits = String(fraction).padStart(9, '0').replace(/0+$/, '');
  return `${whole.slice(0, 19)}${digits === '' ? '' : `.${digits}`}Z`;
}
