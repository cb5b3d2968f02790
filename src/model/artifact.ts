import type { Readable } from 'node:stream';

/** Bytes in the artifact store, named by what they are. */
export interface ArtifactRef {
  /** Lower-case hex SHA-256 of the content. */
  readonly sha256: string;
  readonly bytes: number;
}

/** A verified file on this machine's disk, read-only, kept while the store keeps the object. */
export interface LocalFile {
  readonly path: string;
  /** All that it holds, where that is little and was read to be verified: it need not be opened again. */
  readonly content?: Buffer;
}

/** Content-addressed: putting the same bytes twice is one object; every read is checked against the hash. */
export interface ArtifactStore {
  put(content: Uint8Array | Readable): Promise<ArtifactRef>;
  putFile(path: string): Promise<ArtifactRef>;
  /** Counts as a use: what is said to be there is not swept before whoever asked can refer to it. */
  has(sha256: string): Promise<boolean>;
  /** The whole content. Throws `STORE_HASH_MISMATCH` (terminal) when the bytes are not what the name says. */
  read(sha256: string): Promise<Buffer>;
  localFile(sha256: string): Promise<LocalFile>;
  /** The path of `localFile`. */
  localPath(sha256: string): Promise<string>;
}

export interface SharedStore extends ArtifactStore {
  /** The folder, or the s3:// address, as this process names it. */
  readonly place: string;
  /** A UUID that lies in the store itself: whoever reads the same one sees the same store, whatever the place is called. */
  identity(): Promise<string>;
  /** Notes that a database refers to objects of this store. */
  addUser(databaseId: string): Promise<void>;
  /** The databases that were noted. */
  users(): Promise<string[]>;
  /** Every object, in no order. */
  list(signal?: AbortSignal): AsyncGenerator<StoredObject>;
  /**
   * Deletes those of the objects that nobody put or asked for since `usedBefore` (milliseconds since 1970); a use while it is at work
   * keeps the object. Gives what is gone. Killed in the middle, the rest is there whole.
   */
  sweep(objects: readonly StoredObject[], usedBefore: number, signal?: AbortSignal): Promise<StoredObject[]>;
  /** Removes unfinished writes that began before then. */
  sweepUnfinished(startedBefore: number): Promise<{ readonly count: number; readonly bytes: number }>;
}

export interface StoredObject extends ArtifactRef {
  /** When it was last put or asked for, milliseconds since 1970. */
  readonly usedMs: number;
}
