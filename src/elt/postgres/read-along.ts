import { cancelOnAbort } from '../../model/cancel-on-abort.js';
import type { Database, Session } from '../../model/database.js';
import { giveLane, MOST_LANES, takeLanes } from './further-lanes.js';
import { inSourceSnapshot, type SnapshotOptions } from './source-session.js';

/** Pieces of a load that are still to be copied, and those that are on their way. */
export interface PieceWork {
  /** Aborts when any piece fails, too. */
  readonly signal: AbortSignal;
  /** Nothing is left to begin. */
  readonly isOver: () => boolean;
  /** Copies the next piece, if there is one. Never rejects: what goes wrong ends the others. */
  readonly copyOne: (from: Session, into: Session) => Promise<void>;
}

export interface ReadAlongOptions {
  readonly database: Database;
  readonly source: Database;
  /** Of the source, inside the snapshot. */
  readonly reader: Session;
  /** Of the snapshot. */
  readonly at: SnapshotOptions;
  readonly work: PieceWork;
  /** How many further connections are wanted. */
  readonly wanted: number;
  /** Is told why it is done with fewer of them. */
  readonly onLog?: ((line: string) => void) | undefined;
}

export interface ReadAlong {
  /** Everything is read. Waits for connections that were cut, and for no others: what comes of their wait finds nothing to do. */
  readonly end: () => Promise<void>;
}

/**
 * Further connections to the source that read under the same snapshot. One that cannot be opened, or that waits in vain for its lock, leaves its
 * pieces to the others, and `onLog` is told. One to the warehouse is borrowed for a piece: other steps wait no longer for it.
 */
export async function readAlong(options: ReadAlongOptions): Promise<ReadAlong> {
  const { reader, work, wanted, onLog } = options;
  let finish = (): void => {};
  const over = new Promise<void>((resolve) => (finish = resolve));
  const reading = new Set<Promise<void>>();
  const told = new Set<string>();
  const tell = (why: string): void => {
    if (told.has(why) || work.isOver()) return;
    told.add(why);
    onLog?.(`reads over fewer than ${wanted + 1} connections: ${why}`);
  };
  if (wanted > 0) {
    const snapshot = await exportSnapshot(reader);
    const lanes = takeLanes(wanted);
    if (lanes < wanted) tell(`a worker has ${MOST_LANES} further ones${lanes < MOST_LANES ? `, and other loads have ${MOST_LANES - lanes} of them` : ''}`); // prettier-ignore
    for (let lane = 0; lane < lanes; lane++)
      void help(options, snapshot, over, reading)
        .catch((error: unknown) => tell(oneLine(error)))
        .finally(giveLane);
  }
  return {
    async end() {
      finish();
      // They are cancelled one by one, over a pool that must not be closed before.
      if (work.signal.aborted) await Promise.allSettled(reading);
    },
  };
}

function help(
  { database, source, at, work }: ReadAlongOptions,
  { id: snapshot, server }: ExportedSnapshot,
  over: Promise<void>,
  reading: Set<Promise<void>>,
): Promise<void> {
  const helper: Promise<void> = source.session((from) => {
    reading.add(helper);
    return cancelOnAbort(source, from, work.signal, () =>
      // The lock is asked for here, where to wait for it in vain ends no load: whoever would rewrite the table may be before it.
      inSourceSnapshot(from, { ...at, snapshot }, async () => {
        if ((await serverOf(from)) !== server) throw new Error('another server answered behind the same address');
        while (!work.isOver()) await Promise.race([over, database.session((into) => work.copyOne(from, into))]);
        // A COPY that was cut takes no COMMIT.
        work.signal.throwIfAborted();
      }),
    );
  });
  return helper;
}

/** Another server behind the same address may have one of the same name. */
interface ExportedSnapshot {
  readonly id: string;
  readonly server: string;
}

async function exportSnapshot(reader: Session): Promise<ExportedSnapshot> {
  const [exported] = await reader.query<{ id: string }>('SELECT pg_export_snapshot() AS id');
  return { id: exported!.id, server: await serverOf(reader) };
}

/** Its start, in microseconds: nothing else tells replicas apart that a balancer stands before. */
async function serverOf(session: Session): Promise<string> {
  const [own] = await session.query<{ start: string }>('SELECT pg_postmaster_start_time()::text AS start');
  return own!.start;
}

function oneLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll(/\s+/g, ' ');
}
