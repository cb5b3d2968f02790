import type { SharedStore } from '../model/artifact.js';
import type { Queryable } from '../model/database.js';

/** Another process may have redacted an object since. */
const KNOWN_MS = 2_000;

/**
 * The same store, in which raw objects that hold a forgotten person's rows are those without them, under the names they had: what was
 * fetched stays known by its hash. An object that is put again as its source still has it is redacted at once.
 */
export function redactedStore(store: SharedStore, database: Queryable): SharedStore {
  let known: Promise<ReadonlyMap<string, string>> | undefined;
  let readAt = 0;
  const redactions = (isFresh = false): Promise<ReadonlyMap<string, string>> => {
    if (known === undefined || isFresh || Date.now() - readAt > KNOWN_MS) {
      readAt = Date.now();
      known = database
        .query<{ sha256: string; replacement: string }>('SELECT sha256, replacement FROM plumbline.redactions')
        .then((rows) => new Map(rows.map(({ sha256, replacement }) => [sha256, replacement])));
      known.catch(() => (known = undefined));
    }
    return known;
  };
  const reading = async <T>(sha256: string, read: (name: string) => Promise<T>): Promise<T> => {
    const name = (await redactions()).get(sha256) ?? sha256;
    try {
      return await read(name);
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'STORE_OBJECT_MISSING') throw error;
      // It may have been redacted a moment ago.
      const now = (await redactions(true)).get(sha256) ?? sha256;
      if (now === name) throw error;
      return read(now);
    }
  };
  const put = async (putting: ReturnType<SharedStore['put']>): ReturnType<SharedStore['put']> => {
    const ref = await putting;
    const [redacted] = await database.query('SELECT FROM plumbline.redactions WHERE sha256 = $1', [ref.sha256]);
    if (redacted !== undefined) await store.sweep([{ ...ref, usedMs: 0 }], Infinity);
    return ref;
  };
  return {
    ...store,
    put: (content) => put(store.put(content)),
    putFile: (path) => put(store.putFile(path)),
    has: async (sha256) => store.has((await redactions()).get(sha256) ?? sha256),
    read: (sha256) => reading(sha256, (name) => store.read(name)),
    localFile: (sha256) => reading(sha256, (name) => store.localFile(name)),
    localPath: (sha256) => reading(sha256, (name) => store.localPath(name)),
  };
}
