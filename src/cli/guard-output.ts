import { withEscapes } from './colors.js';
import { printable } from './printable.js';

/**
 * From now on every text that goes to the stream is `printable` but for our own colours: no value, name or message of
 * somebody's data steers the terminal. Bytes go as they are.
 */
export function guardOutput(stream: NodeJS.WriteStream): void {
  const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean;
  stream.write = (chunk: unknown, ...rest: unknown[]): boolean =>
    write(typeof chunk === 'string' ? withEscapes(printable(chunk)) : chunk, ...rest);
}

/** Prints a line of a CSV file: byte for byte where a program or a file takes it, printable on a terminal. */
export function writeData(line: string): boolean {
  return process.stdout.write(process.stdout.isTTY ? line : Buffer.from(line));
}
