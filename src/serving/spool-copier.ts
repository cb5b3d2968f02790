import { appendFile, open, rm, truncate } from 'node:fs/promises';
import type { Logger } from 'pino';
import { PipelineError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import type { Database } from '../model/database.js';
import { copiedBytes, copyPredictions, forgetSpool } from './copy-predictions.js';
import type { PredictionSpool, Segment } from './prediction-spool.js';
import type { SpoolFolder } from './spool-folder.js';

const BATCH_BYTES = 1024 * 1024;
const IDLE_MS = 500;
const ADOPT_EVERY_MS = 10_000;
const MAX_BACK_OFF_MS = 5_000;
const LINE_FEED = 10;

/**
 * Carries spooled lines to PostgreSQL, a batch and its offset in one transaction, so that each line arrives once however often
 * a process dies in between. Goes on by itself when PostgreSQL comes back.
 */
export class SpoolCopier {
  #stopping = false;
  #running: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #nextAdoptionMs = 0;

  constructor(
    private readonly options: {
      readonly database: Database;
      readonly spool: PredictionSpool;
      readonly folder: SpoolFolder;
      /** File that takes lines PostgreSQL refuses, so that one of them cannot hold up the rest. */
      readonly rejected: string;
      readonly logger: Logger;
    },
  ) {}

  start(): void {
    this.#running ??= this.#run();
  }

  /** Copies what is there, for at most `withinMs`, and stops. */
  async stop(withinMs: number): Promise<void> {
    this.#stopping = true;
    this.#wake?.();
    const late = new Promise<void>((resolve) => setTimeout(resolve, withinMs).unref());
    await Promise.race([this.#running, late]);
  }

  async #run(): Promise<void> {
    const { logger, spool } = this.options;
    let failures = 0;
    while (true) {
      try {
        this.#adopt();
        await this.#copyAll();
        if (failures > 0) logger.info('predictions are copied to PostgreSQL again');
        failures = 0;
      } catch (error) {
        failures += 1;
        if (failures === 1)
          logger.warn(
            { err: error, pendingBytes: spool.pendingBytes },
            'predictions cannot be copied to PostgreSQL now',
          );
      }
      if (this.#stopping && (failures > 0 || spool.pendingBytes === 0)) return;
      await this.#sleep(failures === 0 ? IDLE_MS : Math.min(MAX_BACK_OFF_MS, IDLE_MS * 2 ** failures));
    }
  }

  #adopt(): void {
    const now = Date.now();
    if (now < this.#nextAdoptionMs) return;
    this.#nextAdoptionMs = now + ADOPT_EVERY_MS;
    const { folder, spool, logger } = this.options;
    folder.touch(now);
    const paths = folder.adopt(now, (err) =>
      logger.warn({ err }, 'part of the prediction spool of a process that ended cannot be adopted now'),
    );
    if (paths.length === 0) return;
    spool.adopt(paths);
    logger.info({ files: paths.length }, 'adopted the prediction spool of a process that ended');
  }

  async #copyAll(): Promise<void> {
    const { segments } = this.options.spool;
    for (const segment of [...segments]) {
      segment.copied ??= await copiedBytes(this.options.database, segment.spool);
      while (segment.copied < segment.bytes && (await this.#copyBatch(segment)));
      if (!segment.open) await this.#finish(segment);
    }
  }

  /** Copies the next whole lines; false when none is left. */
  async #copyBatch(segment: Segment): Promise<boolean> {
    const from = segment.copied!;
    const text = await readLines(segment, from);
    if (text.length === 0) return false;
    const to = from + text.length;
    const lines = text.toString('utf8').trimEnd().split('\n');
    let done: boolean;
    try {
      done = await this.#commit(segment, from, to, lines);
    } catch (error) {
      if (!isRefused(error)) throw error;
      done = await this.#commitOneByOne(segment, from, to, lines);
    }
    segment.copied = done ? to : await copiedBytes(this.options.database, segment.spool);
    return true;
  }

  #commit(segment: Segment, from: number, to: number, lines: readonly string[]): Promise<boolean> {
    return this.options.database.transaction(async (session) => {
      const done = await copyPredictions(session, { spool: segment.spool, from, to, lines: `[${lines.join(',')}]` });
      await failpoint('spool-copy.before-commit');
      return done;
    });
  }

  /** After a batch that PostgreSQL refuses for its content: each line alone, the bad ones set aside. */
  async #commitOneByOne(segment: Segment, from: number, to: number, lines: readonly string[]): Promise<boolean> {
    let start = from;
    for (const line of lines) {
      const end = start + Buffer.byteLength(line) + 1;
      try {
        if (!(await this.#commit(segment, start, end, [line]))) return false;
      } catch (error) {
        if (!isRefused(error)) throw error;
        this.options.logger.error(
          { err: error, spool: segment.spool, offset: start },
          'prediction line refused, set aside',
        );
        await appendFile(this.options.rejected, `${line}\n`);
        if (!(await this.#commit(segment, start, end, []))) return false;
      }
      start = end;
    }
    return start === to;
  }

  /**
   * A file that is wholly copied is emptied, its offset forgotten, then it goes: after a crash between two of these the
   * next process finds an empty file and goes on; its lines cannot be copied twice, and no offset stays behind.
   */
  async #finish(segment: Segment): Promise<void> {
    const { spool, logger, database } = this.options;
    const torn = segment.bytes - segment.copied!;
    if (torn > 0) logger.warn({ spool: segment.spool, bytes: torn }, 'a line cut off by a kill was never acknowledged');
    await truncate(segment.path);
    await failpoint('spool-copy.after-truncate');
    await forgetSpool(database, segment.spool);
    await failpoint('spool-copy.after-forget');
    await rm(segment.path, { force: true });
    spool.segments.splice(spool.segments.indexOf(segment), 1);
  }

  #sleep(ms: number): Promise<void> {
    if (this.#stopping) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Whole lines from `from` on, about a megabyte; empty when there is no whole line. */
async function readLines(segment: Segment, from: number): Promise<Buffer> {
  const file = await open(segment.path, 'r');
  try {
    for (let size = BATCH_BYTES; ; size *= 2) {
      const wanted = Math.min(size, segment.bytes - from);
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(wanted), 0, wanted, from);
      const end = buffer.subarray(0, bytesRead).lastIndexOf(LINE_FEED) + 1;
      // A line longer than a batch is read with a larger one.
      if (end > 0 || bytesRead < size) return buffer.subarray(0, end);
    }
  } finally {
    await file.close();
  }
}

/** PostgreSQL read the content and said no (classes 22 data, 23 constraint); connections and locks are other errors. */
function isRefused(error: unknown): boolean {
  const code = (error as { code?: unknown }).code;
  return !(error instanceof PipelineError) && typeof code === 'string' && /^2[23]/.test(code);
}
