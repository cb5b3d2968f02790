import { Readable } from 'node:stream';
import type pg from 'pg';

type Connection = Parameters<pg.Submittable['submit']>[0] & {
  query: (text: string) => void;
  readonly stream: NodeJS.ReadableStream;
};
type Parser = (bytes: Buffer) => void;

// Message types and their layout: https://www.postgresql.org/docs/current/protocol-message-formats.html
const COPY_DATA = 0x64;
/** CopyOutResponse; and what may come in between at any time: notices, notifications, changed settings. */
const PASSED_OVER: ReadonlySet<number> = new Set([...'HNAS'].map((letter) => letter.charCodeAt(0)));
const HEADER_BYTES = 5;

/**
 * What `COPY … TO STDOUT` sends, as a stream of blocks as large as the connection hands them over; it ends when PostgreSQL
 * is ready for the next statement. For `client.query(…)`. PostgreSQL sends a message a row: they are joined where they lie, without a
 * copy or an object each. A stream that is destroyed leaves the connection in the middle of its protocol: it must be closed.
 */
export class CopyOut extends Readable implements pg.Submittable {
  #socket: NodeJS.ReadableStream | undefined;
  /** pg's own, which reads all other messages. */
  #parser: Parser | undefined;
  /** The first bytes of a message that a block was cut in. */
  #cut: Buffer = Buffer.alloc(0);
  /** Bytes of the message under way that are yet to come, and whether they are rows. */
  #left = 0;
  #isData = false;

  constructor(private readonly statement: string) {
    super();
  }

  submit(connection: pg.Connection): void {
    const { stream } = connection as unknown as Connection;
    this.#socket = stream;
    this.#parser = stream.listeners('data')[0] as Parser;
    stream.off('data', this.#parser);
    stream.on('data', this.#take);
    (connection as unknown as Connection).query(this.statement);
  }

  override _read(): void {
    if (this.#parser !== undefined) this.#socket?.resume();
  }

  readonly #take = (block: Buffer): void => {
    const bytes = this.#cut.length === 0 ? block : Buffer.concat([this.#cut, block]);
    this.#cut = Buffer.alloc(0);
    let at = 0;
    // Rows move to the front of the block, over the headers between them.
    let end = 0;
    for (;;) {
      const size = Math.min(this.#left, bytes.length - at);
      if (size > 0) {
        if (this.#isData) {
          bytes.copyWithin(end, at, at + size);
          end += size;
        }
        at += size;
        this.#left -= size;
      }
      if (at === bytes.length) break;
      const type = bytes[at]!;
      this.#isData = type === COPY_DATA;
      if (!this.#isData && !PASSED_OVER.has(type)) {
        const rest = Buffer.from(bytes.subarray(at));
        if (end > 0) this.push(bytes.subarray(0, end));
        this.#giveBack(rest);
        return;
      }
      if (bytes.length - at < HEADER_BYTES) {
        this.#cut = Buffer.from(bytes.subarray(at));
        break;
      }
      // The length counts itself.
      this.#left = bytes.readUInt32BE(at + 1) - 4;
      at += HEADER_BYTES;
    }
    if (end > 0 && !this.push(bytes.subarray(0, end))) this.#socket!.pause();
  };

  /** The end or an error: pg reads on, and tells below. */
  #giveBack(rest: Buffer): void {
    const socket = this.#socket!;
    const parser = this.#parser!;
    this.#parser = undefined;
    socket.off('data', this.#take);
    socket.on('data', parser);
    parser(rest);
    socket.resume();
  }

  handleCommandComplete(): void {
    // ReadyForQuery follows.
  }

  handleReadyForQuery(): void {
    this.push(null);
  }

  handleError(error: Error): void {
    this.destroy(error);
  }
}
