/**
 * What moves the cursor, colours, hides, turns the direction of or breaks a line, or is no character: ECMA-48's controls with
 * the escape, line and paragraph separators, lone surrogates, and what Unicode says is not to be seen. Letters and emoji need
 * the joiners and the variation selectors.
 */
const UNPRINTABLE =
  /(?!\p{Join_Control}|\p{Variation_Selector})[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/gu;

/**
 * A text as it may be printed: what is not to be seen or steers a terminal is written as JSON writes it, `\u001b`, so what is
 * printed of a JSON text is the same JSON. Line feeds and tabs stay.
 */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, (found) => (found === '\n' || found === '\t' ? found : escaped(found)));
}

/** The same on one line, for a cell of a table: a line feed is `\n`. */
export function printableLine(text: string): string {
  const short: Readonly<Record<string, string>> = { '\n': '\\n', '\t': '\\t', '\r': '\\r' };
  return text.replace(UNPRINTABLE, (found) => short[found] ?? escaped(found));
}

/** By UTF-16 unit. */
function escaped(character: string): string {
  return character.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
