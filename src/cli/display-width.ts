import { withoutColors } from './colors.js';
import { printableLine } from './printable.js';

const characters = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** Two columns wide in a terminal, after Unicode's East Asian Width: ideographs, kana, hangul, full-width forms and emoji. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\p{Emoji_Presentation}\p{Script=Han}]|\ufe0f/u;
/** UTF-16 units for a column: what is longer by far is not looked at to its end. */
const LOOKED_AT = 50;
const NARROW = /^[\x20-\x7e]*$/;

/** Columns that a printable line takes in a terminal, as most terminals draw it; colours take none. */
export function displayWidth(line: string): number {
  const text = withoutColors(line);
  return NARROW.test(text) ? text.length : widthsOf(text).reduce((sum, [, width]) => sum + width, 0);
}

/** Filled up to `width` columns. */
export function padded(line: string, width: number): string {
  return line + ' '.repeat(Math.max(0, width - displayWidth(line)));
}

/** At most `width` columns, with `…` at the end of what was longer; no character is cut in two. */
export function cut(line: string, width: number): string {
  if (line.length <= width && NARROW.test(line)) return line;
  const parts = widthsOf(line.slice(0, LOOKED_AT * width));
  const isWhole = line.length <= LOOKED_AT * width;
  if (isWhole && parts.reduce((sum, [, own]) => sum + own, 0) <= width) return line;
  let taken = '';
  let columns = 0;
  for (const [character, own] of parts) {
    columns += own;
    if (columns >= width) break;
    taken += character;
  }
  return `${taken}…`;
}

/** A value for a cell: white space is one space, at most `width` columns. */
export function oneLine(value: string, width: number): string {
  return cut(printableLine(value.slice(0, LOOKED_AT * width + 1).replaceAll(/\s+/g, ' ')), width);
}

/** Letters with their marks, emoji with their joiners, each with its columns. */
function widthsOf(text: string): (readonly [string, 0 | 1 | 2])[] {
  return Array.from(characters.segment(text), ({ segment }) => {
    if (WIDE.test(segment)) return [segment, 2] as const;
    return [segment, /^\p{M}+$/u.test(segment) ? 0 : 1] as const;
  });
}
