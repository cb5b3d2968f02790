import { displayWidth, padded } from './display-width.js';
import { printableLine } from './printable.js';

/** 17379 → `17,379`. */
export function count(value: number): string {
  return value.toLocaleString('en-US');
}

/** 1536 → `1.5 KiB`. */
export function bytes(value: number): string {
  const power = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(1, value)) / 10)));
  return `${(value / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`;
}

/** Milliseconds → `0.4 s`, `2 min 05 s`. */
export function duration(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, '0')} s`;
}

/** A metric with the digits people compare: `94.6`, `0.8194`. */
export function metric(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toPrecision(4).replace(/\.?0+$/, '');
}

/** Columns padded to their widest cell, as a terminal shows it; one line a row, whatever is in it. */
export function table(rows: readonly (readonly string[])[]): string {
  const lines = rows.map((row) => row.map(printableLine));
  const widths: number[] = [];
  for (const row of lines)
    row.forEach((cell, index) => (widths[index] = Math.max(widths[index] ?? 0, displayWidth(cell))));
  return lines
    .map((row) =>
      row
        .map((cell, index) => padded(cell, widths[index] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A step as people call it: `load:rides#data/a.csv` → `load rides (data/a.csv)`; `open` reads the project's code. */
export function stepTitle(step: string): string {
  if (step === 'open') return 'reading the project';
  const [name = '', part] = step.split('#');
  return `${name.replace(':', ' ')}${part === undefined ? '' : ` (${part})`}`;
}
