import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ResourceConfig } from '../../model/project.js';
import { matchFiles } from './match-files.js';
import { isArchive, withZipMembers } from './zip-members.js';

/** The objects that an extract would give, without storing anything. Throws as `extractFiles` does; a retry does not help. */
export async function hashFiles(root: string, resource: ResourceConfig): Promise<{ path: string; sha256: string }[]> {
  const hashes: { path: string; sha256: string }[] = [];
  for (const file of await matchFiles(root, resource)) {
    if (!isArchive(file.path, resource)) {
      hashes.push({ path: file.path, sha256: await hashOf(createReadStream(file.absolute)) });
      continue;
    }
    await withZipMembers(file, resource, async (members) => {
      for (const member of members) hashes.push({ path: member.path, sha256: await hashOf(member.open()) });
    });
  }
  return hashes;
}

async function hashOf(content: Readable): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(content, hash);
  return hash.digest('hex');
}
