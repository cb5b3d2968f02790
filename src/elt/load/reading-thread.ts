import { existsSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { keepThread, takeThread, threadFile } from '../read/kept-thread.js';
import { receivedBlocks } from '../read/row-blocks.js';
import type { LinesFound } from '../read/line-index.js';
import type { ReadSettings, WholeObject } from './read-whole.js';

/** An object that the thread is to read. */
export interface GivenObject {
  /** On this machine, verified. */
  readonly path: string;
  /** All that it holds, where that is little. */
  readonly content?: Uint8Array;
  /** As the project names it. */
  readonly file: string;
  readonly loadId: string;
}

export interface ReadRequest {
  readonly settings: ReadSettings;
  /** For temporary files. */
  readonly folder: string;
  readonly objects: readonly GivenObject[];
}

export interface ReadObject extends WholeObject {
  readonly lines: LinesFound;
}

/** A thread that reads small objects whole while this one fetches the next and feeds a COPY. */
export interface ReadingThread {
  /** In the order of the objects; undefined for each that it leaves to this thread: what is no CSV file, and what cannot be read. */
  read(request: ReadRequest): Promise<readonly (ReadObject | undefined)[]>;
  /** Ends it, or keeps it for the next time. */
  release(): Promise<void>;
}

/** Undefined where the thread's code was not compiled. */
export function openReadingThread(file = threadFile('load/object-thread.js')): ReadingThread | undefined {
  return existsSync(file) ? readingThread(file, takeThread(file)) : undefined;
}

function readingThread(file: URL, thread: Worker): ReadingThread {
  interface Asked {
    readonly count: number;
    readonly answer: (objects: readonly (ReadObject | undefined)[]) => void;
  }
  // It answers in the order in which it was asked.
  const asked: Asked[] = [];
  let isGone = false;
  const onMessage = (objects: readonly (ReadObject | undefined)[]): void =>
    asked.shift()!.answer(objects.map((object) => object && { ...object, blocks: receivedBlocks(object.blocks) }));
  const onExit = (): void => {
    isGone = true;
    for (const { count, answer } of asked.splice(0)) answer(new Array<undefined>(count).fill(undefined));
  };
  thread.on('message', onMessage);
  thread.once('exit', onExit);
  return {
    read: (request) =>
      new Promise((answer) => {
        const { length: count } = request.objects;
        if (isGone) return answer(new Array<undefined>(count).fill(undefined));
        asked.push({ count, answer });
        thread.postMessage(request);
      }),
    async release() {
      thread.off('message', onMessage);
      thread.off('exit', onExit);
      await (asked.length === 0 && !isGone ? keepThread(file, thread) : thread.terminate());
    },
  };
}
