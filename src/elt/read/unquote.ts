/** A value without its doubled marks, from its first byte on; good until the next call. */
export let unquoted = Buffer.allocUnsafe(1 << 12);

/** Writes what is between quotation marks, with doubled ones inside, to `unquoted`. Gives its length. */
export function unquote(input: Buffer, from: number, to: number, quote: number): number {
  if (unquoted.length < to - from) unquoted = Buffer.allocUnsafe(2 * (to - from));
  const target = unquoted;
  let length = 0;
  for (let index = from; index < to; index++) {
    const byte = input[index]!;
    target[length++] = byte;
    if (byte === quote) index++;
  }
  return length;
}
