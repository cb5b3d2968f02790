import type { SharedStore } from '../model/artifact.js';
import type { Queryable } from '../model/database.js';
import { objectMissing } from './artifact-store.js';
import { askTogether } from './ask-together.js';

/** Another process may have redacted an object since. */
const KNOWN_MS = 2_000;

/** Whose raw objects are read. */
export interface RedactionScope {
  readonly env: string;
  readonly project: string;
}

interface Redaction {
  readonly sha256: string;
  /** Null: it could not be rewritten, and is gone until it is fetched again. */
  readonly replacement: string | null;
}

/**
 * The same store as one project has it: raw objects that hold rows of a person whom the project forgot are those without them, under the
 * names they had, so that what was fetched stays known by its hash. One that is put again as its source still has it does not enter the
 * store. Where the object without the rows is gone, as after its retention, the one that is put is a new one: loads take the rows out of it.
 */
export function redactedStore(store: SharedStore, database: Queryable, { env, project }: RedactionScope): SharedStore {
  let known: Promise<ReadonlyMap<string, string | null>> | undefined;
  let readAt = 0;
  const redactions = (isFresh = false): Promise<ReadonlyMap<string, string | null>> => {
    if (known === undefined || isFresh || performance.now() - readAt > KNOWN_MS) {
      readAt = performance.now();
      known = database
        .query<Redaction>(
          'SELECT sha256, replacement FROM plumbline.redactions WHERE env = $1 AND project = $2',
          [env, project],
          { isKept: true },
        )
        .then((rows) => new Map(rows.map(({ sha256, replacement }) => [sha256, replacement])));
      known.catch(() => (known = undefined));
    }
    return known;
  };
  /** What stands for the object; undefined when it is gone for the project. */
  const nameOf = async (sha256: string, isFresh = false): Promise<string | undefined> => {
    const replacement = (await redactions(isFresh)).get(sha256);
    return replacement === undefined ? sha256 : (replacement ?? undefined);
  };
  const reading = async <T>(sha256: string, read: (name: string) => Promise<T>): Promise<T> => {
    const name = await nameOf(sha256);
    try {
      if (name === undefined) throw objectMissing(sha256);
      return await read(name);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'STORE_OBJECT_MISSING') throw error;
      // It may have been redacted, or fetched again, a moment ago.
      const now = await nameOf(sha256, true);
      if (now === name || now === undefined) throw error;
      return read(now);
    }
  };
  /** As it is now, of many small objects that are put side by side. */
  const redactionOf = askTogether(async (hashes) => {
    const rows = await database.query<Redaction>(
      'SELECT sha256, replacement FROM plumbline.redactions WHERE env = $1 AND project = $2 AND sha256 = ANY($3)',
      [env, project, hashes],
      { isKept: true },
    );
    return new Map(rows.map((row) => [row.sha256, row]));
  });
  const unless = async (sha256: string): Promise<boolean> => {
    const redacted = await redactionOf(sha256);
    if (redacted === undefined) return false;
    const { replacement } = redacted;
    // To ask is a use, which keeps the replacement from being collected meanwhile.
    if (replacement !== null && (await store.has(replacement))) return true;
    await database.execute(
      'DELETE FROM plumbline.redactions WHERE env = $1 AND project = $2 AND sha256 = $3 AND replacement IS NOT DISTINCT FROM $4',
      [env, project, sha256, replacement],
    );
    known = undefined;
    return false;
  };
  return {
    ...store,
    put: (content) => store.put(content, { unless }),
    putFile: (path) => store.putFile(path, { unless }),
    async has(sha256) {
      const name = await nameOf(sha256);
      return name !== undefined && (await store.has(name));
    },
    read: (sha256) => reading(sha256, (name) => store.read(name)),
    localFile: (sha256) => reading(sha256, (name) => store.localFile(name)),
    localPath: (sha256) => reading(sha256, (name) => store.localPath(name)),
  };
}
