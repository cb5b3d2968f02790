import type { ArtifactStore } from '../../model/artifact.js';
import { objectName } from '../../model/object-name.js';
import type { ColumnType, ResourceConfig } from '../../model/project.js';
import { readBatchList } from '../inventory/batch-list.js';
import type { ExtractedObject } from './load-result.js';

/** A raw object of a load. */
export interface ObjectPart {
  /** Its address, or its path as the project names it. */
  readonly name: string;
  /** On this machine, verified. */
  readonly path: string;
  /** All that it holds, where that is little. */
  readonly content?: Buffer;
  /** What the inventory says of it, as one JSON object. */
  readonly columns: string;
}

export interface ObjectParts {
  readonly parts: readonly ObjectPart[];
  /** Of the inventory's columns. */
  readonly types: Readonly<Record<string, ColumnType>>;
}

/** The raw objects of which a load's object is made: itself, or those that the list of an inventory's batch names. */
export async function objectParts(
  store: ArtifactStore,
  resource: ResourceConfig,
  { path, sha256 }: Pick<ExtractedObject, 'path' | 'sha256'>,
): Promise<ObjectParts> {
  if (resource.inventory === undefined) {
    // A parser may read what it needs out of the whole address.
    const name = objectName(resource.path) === path ? resource.path : path;
    return { parts: [{ name, ...(await store.localFile(sha256)), columns: '{}' }], types: {} };
  }
  const { entries, types } = await readBatchList(store, sha256);
  const parts: ObjectPart[] = [];
  for (const { url, sha256: part, columns } of entries)
    parts.push({ name: url, ...(await store.localFile(part)), columns });
  return { parts, types };
}
