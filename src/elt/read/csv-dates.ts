import type { CsvOptions } from '../../model/project.js';

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const PARTS = {
  DD: '(?<day>\\d{1,2})',
  MM: '(?<month>\\d{1,2})',
  MON: `(?<name>${MONTHS.join('|')})`,
  YYYY: '(?<year>\\d{4})',
};
const CLOCK = '(?:[ T](?<hour>\\d|[01]\\d|2[0-3])(?<minutes>:[0-5]\\d(?::[0-5]\\d(?:[.]\\d{1,6})?)?))?';

/**
 * Dates in the order that the project says, with or without a time behind them: `31.12.2024 9:05` → `2024-12-31 09:05`, and those that
 * are `YYYY-MM-DD` already. Only real days, so that nothing else is rewritten. Undefined when the project says none.
 */
export function dateReader({ dateFormat }: CsvOptions): ((text: string) => string | undefined) | undefined {
  if (dateFormat === undefined) return undefined;
  const form = formOf(dateFormat);
  return (text) => {
    const written = text.trim();
    const { day, month, name, year, hour, minutes } = (form.exec(written) ?? PLAIN.exec(written))?.groups ?? {};
    if (day === undefined || year === undefined) return undefined;
    const number = name === undefined ? Number(month) : MONTHS.indexOf(name.toUpperCase()) + 1;
    if (!isDay(Number(year), number, Number(day))) return undefined;
    const date = `${year}-${String(number).padStart(2, '0')}-${day.padStart(2, '0')}`;
    return hour === undefined ? date : `${date} ${hour.padStart(2, '0')}${minutes}`;
  };
}

function formOf(dateFormat: string): RegExp {
  const order = dateFormat
    .replaceAll('.', '\\.')
    .replace(/DD|MM|MON|YYYY/g, (part) => PARTS[part as keyof typeof PARTS]);
  return new RegExp(`^${order}${CLOCK}$`, 'i');
}

// No order that a project can say is written so and means another day.
const PLAIN = formOf('YYYY-MM-DD');

function isDay(year: number, month: number, day: number): boolean {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return year > 0 && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
}
