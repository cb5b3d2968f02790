import { randomBytes } from 'node:crypto';
import pico from 'picocolors';

/**
 * Stands for the escape character in what the commands print themselves, until the text leaves (`guardOutput`): so an escape
 * in somebody's data is never taken for a colour of ours. A noncharacter and random digits, which no data can foresee.
 */
const MARK = `\ufdd0${randomBytes(8).toString('hex')}`;
const OWN = new RegExp(`${MARK}(\\[\\d*[A-Za-z])`, 'g');

const color =
  (open: number, close: number) =>
  (text: string): string =>
    pico.isColorSupported ? `${MARK}[${open}m${text}${MARK}[${close}m` : text;

/** Colours, on a terminal that has them. */
export const pc = {
  bold: color(1, 22),
  dim: color(2, 22),
  red: color(31, 39),
  green: color(32, 39),
  yellow: color(33, 39),
  cyan: color(36, 39),
};

/** Takes back the last lines of a terminal. */
export function eraseLines(lines: number): string {
  return `${MARK}[${lines}A${MARK}[J`;
}

/** With real escape characters. */
export function withEscapes(text: string): string {
  return text.replace(OWN, '\u001b$1');
}

export function withoutColors(text: string): string {
  return text.replace(OWN, '');
}
