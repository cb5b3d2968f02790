import { join } from 'node:path';
import type { SharedStore } from '../model/artifact.js';
import { isS3, parseS3 } from '../s3/location.js';
import { openDirectoryStore, sweepDirectoryStore } from './artifact-store.js';
import { removeAbandoned } from './owned-files.js';
import { openS3Store } from './s3-store.js';

export interface StoreSettings {
  /** A folder, or s3://bucket/prefix. */
  readonly store: string;
  /** `.plumbline`, whose cache holds what came from S3. */
  readonly stateDir: string;
  /** Of that cache. */
  readonly storeCacheBytes: number;
}

/** The artifact store that the settings name; asks no server yet. */
export function openStore({ store, stateDir, storeCacheBytes }: StoreSettings): SharedStore {
  if (!isS3(store)) return openDirectoryStore(store);
  return openS3Store({ ...parseS3(store), cacheDir: cacheFolder(stateDir), cacheBytes: storeCacheBytes });
}

/** Whether the store that the settings name is a folder, which another machine may have too or not. */
export function isFolder({ store }: Pick<StoreSettings, 'store'>): boolean {
  return !isS3(store);
}

/** Removes what killed writers of this machine left half written. */
export async function sweepStore({ store, stateDir }: Pick<StoreSettings, 'store' | 'stateDir'>): Promise<void> {
  if (isS3(store)) await removeAbandoned(join(cacheFolder(stateDir), 'incoming'));
  else await sweepDirectoryStore(store);
}

function cacheFolder(stateDir: string): string {
  return join(stateDir, 'cache', 'store');
}
