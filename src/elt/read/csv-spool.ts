import { randomUUID } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { QUOTE } from './csv-record.js';

const BLOCK_BYTES = 1 << 20;
/** Of a file that has values with line ends, DuckDB keeps all that it has read in memory: it gets several. */
const PART_BYTES = 64 << 20;
const COMMA = 44;
const LINE_END = 10;
const RETURN = 13;
const BLANK = 32;
const BACKSLASH = 92;
const SPECIAL = /["\n\r]/;

export interface SpooledCsv {
  /** One after the other they are the file. */
  readonly paths: readonly string[];
  readonly longestRecordBytes: number;
  /** Some value holds a line end. */
  readonly multiLine: boolean;
}

/** Comma-separated rows on disk, in files of some 64 MiB: NULL without quotation marks, every other value with them. */
export class CsvSpool {
  readonly #folder: string;
  readonly #mostPartBytes: number;
  readonly #paths: string[] = [];
  #file: FileHandle | undefined;
  #partBytes = 0;
  #full: Buffer[] = [];
  #fullBytes = 0;
  #block = Buffer.allocUnsafe(BLOCK_BYTES);
  #at = 0;
  #rowStart = 0;
  #longest = 0;
  #multiLine = false;

  /** @param mostPartBytes a file that has as many gets no more rows */
  constructor(folder: string, mostPartBytes = PART_BYTES) {
    this.#folder = folder;
    this.#mostPartBytes = mostPartBytes;
  }

  addMissing(): void {
    this.#makeRoom(1);
    this.#block[this.#at++] = COMMA;
  }

  addText(value: string): void {
    const isPlain = !SPECIAL.test(value);
    this.#multiLine ||= !isPlain && /[\n\r]/.test(value);
    const written = isPlain ? value : value.replaceAll('"', '""');
    // A UTF-16 unit has at most three bytes.
    this.#makeRoom(3 * written.length + 3);
    this.#block[this.#at++] = QUOTE;
    this.#at += this.#block.write(written, this.#at);
    this.#block[this.#at++] = QUOTE;
    this.#block[this.#at++] = COMMA;
  }

  /** A whole row. */
  addRow(values: readonly (string | null)[]): void {
    for (const value of values)
      if (value === null) this.addMissing();
      else this.addText(value);
    this.endRow();
  }

  /** The text that the JSON string from `start` to `end` stands for. */
  addJsonText(bytes: Buffer, start: number, end: number): void {
    this.#makeRoom(end - start + 1);
    const block = this.#block;
    let place = this.#at;
    block[place++] = QUOTE;
    for (let index = start + 1; index < end - 1; index++) {
      const byte = bytes[index]!;
      if (byte === BACKSLASH) {
        this.addText(JSON.parse(bytes.toString('utf8', start, end)) as string);
        return;
      }
      block[place++] = byte;
    }
    block[place++] = QUOTE;
    block[place++] = COMMA;
    this.#at = place;
  }

  /** The JSON value from `start` to `end` as it is written; line ends in it are between its tokens, and are blanks where `isJson`. */
  addJson(bytes: Buffer, start: number, end: number, isJson: boolean): void {
    this.#makeRoom(2 * (end - start) + 3);
    const block = this.#block;
    let place = this.#at;
    block[place++] = QUOTE;
    for (let index = start; index < end; index++) {
      const byte = bytes[index]!;
      if (byte === QUOTE) block[place++] = QUOTE;
      else if (byte === LINE_END || byte === RETURN) {
        if (isJson) {
          block[place++] = BLANK;
          continue;
        }
        this.#multiLine = true;
      }
      block[place++] = byte;
    }
    block[place++] = QUOTE;
    block[place++] = COMMA;
    this.#at = place;
  }

  /** Behind a value. */
  endRow(): void {
    this.#block[this.#at - 1] = LINE_END;
    const end = this.#fullBytes + this.#at;
    this.#longest = Math.max(this.#longest, end - this.#rowStart - 1);
    this.#rowStart = end;
  }

  /** Writes the rows so far; call it between two. */
  async drain(): Promise<void> {
    const bytes = this.#fullBytes + this.#at;
    if (bytes === 0) return;
    if (this.#file === undefined || this.#partBytes >= this.#mostPartBytes) await this.#startPart();
    for (const block of this.#full) await this.#file!.appendFile(block);
    await this.#file!.appendFile(this.#block.subarray(0, this.#at));
    this.#partBytes += bytes;
    this.#full = [];
    this.#fullBytes = 0;
    if (this.#block.length > BLOCK_BYTES) this.#block = Buffer.allocUnsafe(BLOCK_BYTES);
    this.#at = 0;
    this.#rowStart = 0;
  }

  async end(): Promise<SpooledCsv> {
    await this.drain();
    if (this.#file === undefined) await this.#startPart();
    await this.close();
    return { paths: this.#paths, longestRecordBytes: this.#longest, multiLine: this.#multiLine };
  }

  /** Also where something failed. */
  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #startPart(): Promise<void> {
    await this.close();
    const path = join(this.#folder, `rows-${randomUUID()}.csv`);
    this.#file = await open(path, 'a');
    this.#paths.push(path);
    this.#partBytes = 0;
  }

  #makeRoom(most: number): void {
    if (this.#block.length - this.#at >= most) return;
    this.#full.push(this.#block.subarray(0, this.#at));
    this.#fullBytes += this.#at;
    this.#block = Buffer.allocUnsafe(Math.max(BLOCK_BYTES, most));
    this.#at = 0;
  }
}
