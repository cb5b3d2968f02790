import { closeSync, fdatasync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs';
import { basename } from 'node:path';
import { promisify } from 'node:util';
import { failpoint } from '../failpoint.js';
import { RequestError } from './request-error.js';
import type { SpoolFolder } from './spool-folder.js';

/** A spool file. Whole lines lie between `copied` and `bytes`. */
export interface Segment {
  readonly path: string;
  /** Its name in `plumbline.spool_offsets`; unique for ever. */
  readonly spool: string;
  bytes: number;
  /** Bytes that are in PostgreSQL; undefined until it was asked. */
  copied: number | undefined;
  /** Whether lines may still be added. */
  open: boolean;
}

export interface SpoolOptions {
  readonly folder: SpoolFolder;
  /** `spool`: survives the death of the process; `fsync`: of the machine too. */
  readonly durability: 'spool' | 'fsync';
  /** Bytes not yet in PostgreSQL above which predictions are refused. */
  readonly maxPendingBytes: number;
  /** Size at which a new file is begun. */
  readonly segmentBytes: number;
}

/**
 * The prediction log's local part. An answer leaves after its line is written; the lines of all requests of one turn of the
 * event loop are written at once.
 */
export class PredictionSpool {
  readonly segments: Segment[] = [];
  #fd: number | undefined;
  #waiting: Waiting[] = [];
  #scheduled = false;
  #refused = false;
  #flushing: Promise<void> = Promise.resolve();

  constructor(private readonly options: SpoolOptions) {}

  /** Bytes written and not yet copied. */
  get pendingBytes(): number {
    return this.segments.reduce((sum, { bytes, copied }) => sum + bytes - (copied ?? 0), 0);
  }

  /** From a refused line on until a fifth of the room is free again. */
  get isFull(): boolean {
    this.#refused &&= this.pendingBytes > 0.8 * this.options.maxPendingBytes;
    return this.#refused;
  }

  /** @throws RequestError 503 `SERVE_SPOOL_FULL` */
  assertRoom(): void {
    if (this.isFull) throw this.#full();
  }

  /**
   * Resolves when `lines` (each ending in a line feed) are in the file.
   *
   * @throws RequestError 503 `SERVE_SPOOL_FULL`; then none of them is in the file
   */
  append(lines: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ lines, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      setImmediate(() => {
        this.#flushing = this.#flushing.then(() => this.#flush());
      });
    });
  }

  /** Segments left behind by dead processes join the queue to PostgreSQL. */
  adopt(paths: readonly string[]): void {
    for (const path of paths) {
      this.segments.unshift({
        path,
        spool: basename(path),
        bytes: statSync(path).size,
        copied: undefined,
        open: false,
      });
    }
  }

  /** Ends the open file, so that it can be deleted once it is copied. */
  seal(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    this.segments.at(-1)!.open = false;
  }

  /** Waits for the lines in flight. */
  async flush(): Promise<void> {
    while (this.#scheduled || this.#waiting.length > 0) {
      await new Promise((resolve) => setImmediate(resolve));
      await this.#flushing;
    }
  }

  async #flush(): Promise<void> {
    this.#scheduled = false;
    const batch = this.#waiting;
    this.#waiting = [];
    if (batch.length === 0) return;
    try {
      this.#write(batch.map(({ lines }) => lines).join(''));
      await failpoint('spool.after-write');
      if (this.options.durability === 'fsync') await sync(this.#fd!);
    } catch (error) {
      const failure = error instanceof RequestError ? error : full((error as Error).message);
      for (const { reject } of batch) reject(failure);
      return;
    }
    for (const { resolve } of batch) resolve();
  }

  #write(text: string): void {
    const bytes = Buffer.from(text);
    if (this.pendingBytes + bytes.length > this.options.maxPendingBytes) throw this.#full();
    const segment = this.#openSegment();
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#fd!, bytes, written);
    } catch (error) {
      // A disk that filled up in the middle: a later line must not be glued to a torn one.
      ftruncateSync(this.#fd!, segment.bytes);
      throw error;
    }
    segment.bytes += bytes.length;
  }

  #full(): RequestError {
    this.#refused = true;
    return full(`${this.pendingBytes} bytes wait, at most ${this.options.maxPendingBytes} may`);
  }

  #openSegment(): Segment {
    const last = this.segments.at(-1);
    if (this.#fd !== undefined && last !== undefined && last.bytes < this.options.segmentBytes) return last;
    this.seal();
    const path = this.options.folder.newSegment();
    this.#fd = openSync(path, 'ax', 0o600);
    const segment: Segment = { path, spool: basename(path), bytes: 0, copied: 0, open: true };
    this.segments.push(segment);
    return segment;
  }
}

interface Waiting {
  readonly lines: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

const sync = promisify(fdatasync);

function full(reason: string): RequestError {
  return new RequestError(503, 'SERVE_SPOOL_FULL', `the prediction log takes no more lines: ${reason}`);
}
