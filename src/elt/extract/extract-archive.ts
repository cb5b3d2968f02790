import type { ExtractedObject } from '../load/load-result.js';
import { addFetchedObject } from './add-fetched-object.js';
import type { ExtractOptions } from './extract-files.js';
import { inspectFile } from './inspect-file.js';
import { withZipMembers, type ZipMember } from './zip-members.js';

/**
 * The members of a zip archive that is in the artifact store, each an object of its own with a line in plumbline.raw_objects. Members that were
 * taken out of the same archive before are not unpacked again. Idempotent.
 * Terminal: `ELT_ZIP_…`, `ELT_FILE_…` of what the members hold.
 *
 * @param archive `path` as the project names it
 */
export async function extractArchive(
  archive: { readonly path: string; readonly sha256: string },
  options: ExtractOptions,
): Promise<ExtractedObject[]> {
  const { store, resource } = options;
  const file = { absolute: await store.localPath(archive.sha256), path: archive.path };
  return withZipMembers(file, resource, async (members) => {
    const objects: ExtractedObject[] = [];
    for (const member of members) {
      options.signal?.throwIfAborted();
      objects.push(await extractMember(member, archive.sha256, options));
    }
    return objects;
  });
}

async function extractMember(member: ZipMember, archive: string, options: ExtractOptions): Promise<ExtractedObject> {
  const { store, resource } = options;
  const { path } = member;
  const known = await knownMember(member, archive, options);
  const stored = known ?? (await store.put(member.open()));
  if (known === undefined) await inspectFile({ absolute: await store.localPath(stored.sha256), path }, resource);
  const isUnchanged = await addFetchedObject(path, { ...stored, etag: archive, lastModified: null }, options);
  return { path, ...stored, isUnchanged };
}

async function knownMember(
  { path, bytes }: ZipMember,
  archive: string,
  { database, store, env, project, resource }: ExtractOptions,
): Promise<{ sha256: string; bytes: number } | undefined> {
  const [known] = await database.query<{ sha256: string; bytes: number }>(
    `SELECT sha256, bytes::float8 AS bytes FROM plumbline.raw_objects
     WHERE env = $1 AND project = $2 AND resource = $3 AND path = $4 AND etag = $5 AND bytes = $6
     ORDER BY seen_at DESC LIMIT 1`,
    [env, project, resource.id, path, archive, bytes],
  );
  return known !== undefined && (await store.has(known.sha256)) ? known : undefined;
}
