import type { Logger } from 'pino';
import type { SharedStore } from '../model/artifact.js';
import type { Database } from '../model/database.js';

/** What the worker builds once and every activity shares. */
export interface ActivityDependencies {
  readonly database: Database;
  readonly store: SharedStore;
  /** Folder for unpacked bundles. */
  readonly cacheDir: string;
  /** Inside `cacheDir`, this process's own; what is in it goes when the process is gone. */
  readonly scratchDir?: string;
  /** Threads a training may use. */
  readonly threads: number;
  readonly log: Logger;
}
