import { withEscapes } from './colors.js';
import { printable } from './printable.js';
import { told } from './told-commands.js';

/**
 * From now on every text that goes to the stream is `printable` but for our own colours: no value, name or message of
 * somebody's data steers the terminal. Commands in it are those for the environment that it is about. Bytes go as they are.
 */
export function guardOutput(stream: NodeJS.WriteStream): void {
  const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean;
  stream.write = (chunk: unknown, ...rest: unknown[]): boolean =>
    write(typeof chunk === 'string' ? withEscapes(told(printable(chunk))) : chunk, ...rest);
}

/** Prints a line of a CSV file: byte for byte where a program or a file takes it, printable on a terminal. */
export function writeData(line: string): boolean {
  return process.stdout.write(process.stdout.isTTY ? line : Buffer.from(line));
}
