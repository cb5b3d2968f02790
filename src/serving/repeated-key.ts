const COLON = /\s*:/y;

/**
 * The first key that an object of a JSON text has twice, at any depth, or undefined. JSON.parse keeps the last value and
 * says nothing. One pass, about twice as long as JSON.parse takes.
 *
 * @param json valid JSON, or several documents one after the other
 */
export function repeatedKey(json: string): string | undefined {
  const open: Set<string>[] = [];
  for (let at = 0; at < json.length; at++) {
    const character = json[at];
    if (character === '{') open.push(new Set());
    else if (character === '}') open.pop();
    else if (character === '"') {
      const start = at;
      at = endOfString(json, start);
      COLON.lastIndex = at + 1;
      if (!COLON.test(json)) continue;
      const text = json.slice(start + 1, at);
      // "\u0061" and "a" are one key.
      const key = text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text;
      const keys = open.at(-1)!;
      if (keys.has(key)) return key;
      keys.add(key);
    }
  }
  return undefined;
}

/** Position of the quote that ends the string beginning at `start`. */
function endOfString(json: string, start: number): number {
  let at = start + 1;
  while (json[at] !== '"') at += json[at] === '\\' ? 2 : 1;
  return at;
}
