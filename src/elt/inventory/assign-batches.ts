export interface BatchMember {
  readonly url: string;
  readonly bytes: number;
  /** Null: in none yet. */
  readonly batch: number | null;
}

// One load a batch: enough objects for its stage table and its activity to be worth it, few enough to be read again when one changes.
const MAX_OBJECTS = 1_000;
const MAX_BYTES = 64 << 20;

/**
 * A batch for each object that has none, in their order: the last one until it is full, then new ones. Objects that have one
 * keep it, so that what was loaded stays what it was when others come.
 *
 * @param isAlone each object is a batch of its own
 */
export function assignBatches(members: readonly BatchMember[], isAlone: boolean): Map<string, number> {
  const filled = new Map<number, { objects: number; bytes: number }>();
  let last = 0;
  for (const { batch, bytes } of members) {
    if (batch === null) continue;
    last = Math.max(last, batch);
    const { objects, bytes: before } = filled.get(batch) ?? { objects: 0, bytes: 0 };
    filled.set(batch, { objects: objects + 1, bytes: before + bytes });
  }
  const assigned = new Map<string, number>();
  for (const { url, batch, bytes } of members) {
    if (batch !== null) continue;
    let room = filled.get(last);
    if (room === undefined || isAlone || room.objects === MAX_OBJECTS || room.bytes + bytes > MAX_BYTES)
      filled.set(++last, (room = { objects: 0, bytes: 0 }));
    room.objects++;
    room.bytes += bytes;
    assigned.set(url, last);
  }
  return assigned;
}
