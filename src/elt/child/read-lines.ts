import type { Readable } from 'node:stream';

const LINE_END = 10;

/**
 * Hands over the lines of a stream, without their ends, one after the other; reading waits for what `onLine` waits for.
 * Rejects with what `onLine` throws, and with what `onLongLine` does: it gets a line as soon as that is longer than
 * `maxBytes`, and what it returns stands for the line. What stands behind the last line end goes to `onRest`.
 */
export async function readLines(
  stream: Readable,
  options: {
    readonly maxBytes: number;
    readonly onLine: (line: Buffer) => void | Promise<void>;
    readonly onLongLine: (start: Buffer, number: number) => Buffer;
    /** @default onLine */
    readonly onRest?: (line: Buffer) => void | Promise<void>;
  },
): Promise<void> {
  const { maxBytes, onLine, onLongLine, onRest = onLine } = options;
  let parts: Buffer[] = [];
  let bytes = 0;
  let number = 1;
  let isCut = false;
  const add = (part: Buffer): void => {
    if (isCut) return;
    parts.push(part);
    bytes += part.length;
    if (bytes <= maxBytes) return;
    isCut = true;
    parts = [onLongLine(Buffer.concat(parts), number)];
  };
  const take = async (hand: typeof onLine): Promise<void> => {
    const line = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
    parts = [];
    bytes = 0;
    isCut = false;
    number++;
    await hand(line);
  };
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(LINE_END); end !== -1; end = chunk.indexOf(LINE_END, start)) {
      add(chunk.subarray(start, end));
      await take(onLine);
      start = end + 1;
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  if (parts.length > 0) await take(onRest);
}
