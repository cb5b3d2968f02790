/** What a number format makes of a number: a date, a time of day, both, or a number still. */
export type NumberFormat = 'number' | 'date' | 'time' | 'timestamp';

// ECMA-376 part 1, 18.8.30: formats that every program knows by number.
const DATES = new Set([14, 15, 16, 17, 27, 28, 29, 30, 31, 34, 35, 36, 50, 51, 52, 53, 54, 57, 58]);
const TIMES = new Set([18, 19, 20, 21, 32, 33, 45, 47, 55, 56]);

/** @param code the format's own text, where the workbook has one for it */
export function numberFormat(id: number, code: string | undefined): NumberFormat {
  if (code === undefined) {
    if (id === 22) return 'timestamp';
    return DATES.has(id) ? 'date' : TIMES.has(id) ? 'time' : 'number';
  }
  // Elapsed time such as [h]:mm counts hours: it is a number of days.
  if (/\[[hms]+\]/i.test(code)) return 'number';
  // Only the part for positive numbers says what is meant; texts, escapes, colours and fills say nothing.
  const plain = code.split(';')[0]!.replace(/"[^"]*"|\\.|\[[^\]]*\]|[_*]./g, '');
  if (/general|@|^[#0?.,% eE+-]*$/i.test(plain)) return 'number';
  const hasTime = /[hs]/i.test(plain);
  const hasDate = /[yd]/i.test(plain) || (/m/i.test(plain) && !hasTime);
  return hasDate ? (hasTime ? 'timestamp' : 'date') : hasTime ? 'time' : 'number';
}

const DAY_MS = 86_400_000;
const EPOCH_1900 = Date.UTC(1899, 11, 30);
const EPOCH_1904 = Date.UTC(1904, 0, 1);

/**
 * A serial number as text: `2024-05-17`, `2024-05-17 08:30:00`, `08:30:00`, to the millisecond. A date with a part of a day is a timestamp. Undefined
 * for what is no date: negative, after the year 9999, or the 29 February 1900, which Excel has and the calendar has not.
 */
export function dateText(serial: number, format: Exclude<NumberFormat, 'number'>, is1904: boolean): string | undefined {
  if (!(serial >= 0 && serial < 2_958_466)) return undefined;
  const day = Math.floor(serial);
  if (!is1904 && day === 60) return undefined;
  // Before that day Excel is one day behind the calendar.
  const shift = !is1904 && day > 0 && day < 60 ? 1 : 0;
  const ms = Math.round((serial + shift) * DAY_MS) + (is1904 ? EPOCH_1904 : EPOCH_1900);
  const [date = '', clock = ''] = new Date(ms).toISOString().replace('Z', '').split('T');
  const time = clock.replace(/\.000$/, '');
  if (format === 'time' && day === 0) return time;
  return time === '00:00:00' && format === 'date' ? date : `${date} ${time}`;
}
