import { Readable } from 'node:stream';
import type { ArtifactRef, ArtifactStore } from '../../model/artifact.js';
import type { LandedPage } from './extract-progress.js';

/** Enough for a load to be worth its beginning, little enough to be repeated. */
const OBJECT_BYTES = 32 << 20;

/** Objects of the landing zone: pages one behind the other, each object at most 32 MiB unless one page is larger. */
export async function combinePages(store: ArtifactStore, pages: readonly LandedPage[]): Promise<ArtifactRef[]> {
  const objects: ArtifactRef[] = [];
  for (const group of groups(pages.flatMap(({ sha256, bytes }) => (sha256 === null ? [] : [{ sha256, bytes }]))))
    objects.push(group.length === 1 ? group[0]! : await store.put(Readable.from(contents(store, group))));
  return objects;
}

function groups(pages: readonly ArtifactRef[]): ArtifactRef[][] {
  const all: ArtifactRef[][] = [];
  let bytes = Infinity;
  for (const page of pages) {
    if (bytes + page.bytes > OBJECT_BYTES) {
      all.push([]);
      bytes = 0;
    }
    all.at(-1)!.push(page);
    bytes += page.bytes;
  }
  return all;
}

async function* contents(store: ArtifactStore, pages: readonly ArtifactRef[]): AsyncGenerator<Buffer> {
  for (const { sha256 } of pages) yield await store.read(sha256);
}
