import { randomUUID } from 'node:crypto';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isAlive, ownIdentity, type ProcessIdentity } from './process-identity.js';

const OWNER = 'owner.json';
const SEGMENT = /^[0-9a-f-]{36}\.ndjson$/;
/** A folder of another host (a container that is gone, a shared disk) is an orphan when nobody touched it for so long. */
const FOREIGN_ORPHAN_MS = 10 * 60_000;

/**
 * One process's own folder `<root>/<id>/` with `owner.json`, so that no two processes write to one spool file. Folders of dead
 * processes are adopted file by file: a rename succeeds for one adopter only.
 */
export class SpoolFolder {
  readonly path: string;

  private constructor(private readonly root: string) {
    this.path = join(root, randomUUID());
  }

  static create(root: string): SpoolFolder {
    const folder = new SpoolFolder(root);
    mkdirSync(root, { recursive: true, mode: 0o700 });
    // Complete before it has its name: a folder without an owner is an orphan.
    const unfinished = join(root, `.${randomUUID()}`);
    mkdirSync(unfinished, { mode: 0o700 });
    writeFileSync(join(unfinished, OWNER), JSON.stringify(ownIdentity()));
    renameSync(unfinished, folder.path);
    return folder;
  }

  newSegment(): string {
    return join(this.path, `${randomUUID()}.ndjson`);
  }

  /**
   * Moves the segments of dead processes here and gives their paths. What cannot be moved now (no room, no permission)
   * stays where it is for the next time.
   *
   * @param refused told of each failure
   */
  adopt(nowMs: number, refused: (error: unknown) => void): string[] {
    const adopted: string[] = [];
    const attempt = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        // Gone: another adopter was faster.
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') refused(error);
      }
    };
    for (const name of readdirSync(this.root)) {
      const folder = join(this.root, name);
      if (name.startsWith('.') || folder === this.path || !isOrphan(folder, nowMs)) continue;
      attempt(() => {
        for (const file of readdirSync(folder).filter((entry) => SEGMENT.test(entry))) {
          const target = join(this.path, file);
          attempt(() => {
            renameSync(join(folder, file), target);
            adopted.push(target);
          });
        }
      });
      attempt(() => rmSync(join(folder, OWNER)));
      // Not recursive: a segment that is still there holds acknowledged predictions and keeps its folder.
      attempt(() => rmdirSync(folder));
    }
    return adopted;
  }

  /** Tells other hosts that the owner lives. */
  touch(nowMs: number): void {
    try {
      utimesSync(join(this.path, OWNER), nowMs / 1000, nowMs / 1000);
    } catch {
      // Adopted by another host meanwhile, or no permission: the next time tries again.
    }
  }

  /** Leaves the folder: empty it goes, otherwise it becomes an orphan for the next process. */
  release(): void {
    rmSync(join(this.path, OWNER), { force: true });
    if (!readdirSync(this.path).some((file) => SEGMENT.test(file))) rmSync(this.path, { recursive: true, force: true });
  }
}

function isOrphan(folder: string, nowMs: number): boolean {
  try {
    if (!statSync(folder).isDirectory()) return false;
    const owner = JSON.parse(readFileSync(join(folder, OWNER), 'utf8')) as ProcessIdentity;
    if (owner.host === ownIdentity().host) return !isAlive(owner);
    return nowMs - statSync(join(folder, OWNER)).mtimeMs > FOREIGN_ORPHAN_MS;
  } catch (error) {
    // No owner: it was released. Anything else, e.g. no permission, leaves the folder alone.
    return (error as NodeJS.ErrnoException).code === 'ENOENT' || error instanceof SyntaxError;
  }
}
