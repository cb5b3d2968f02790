import type { Json, JsonObject } from '../../model/project.js';

/** A stream that a catalog does not have, or has twice. */
export class UnknownStream extends Error {
  /** By the names that tell the streams of the catalog apart. */
  readonly streams: readonly string[];
  constructor(streams: readonly string[]) {
    super('no such stream');
    this.name = 'UnknownStream';
    this.streams = streams;
  }
}

export interface SelectedStream {
  /** As JSON. */
  readonly catalog: string;
  /** What messages may call the stream: taps differ. */
  readonly names: readonly string[];
}

/**
 * A catalog with one stream selected and no other: by metadata, and by the older `selected` beside it. Of a discovered catalog every
 * property is selected about which nothing is said; a catalog of the user's is left as it is in that. Throws SyntaxError
 * when the text is no catalog, UnknownStream when it does not have the stream once.
 *
 * @param source the catalog as JSON
 * @param stream its `tap_stream_id`, else its `stream`
 * @param options.metadata what to say of the stream beside `selected`
 * @param options.allProperties whether to select properties
 */
export function selectStream(source: string, stream: string, options: SelectOptions): SelectedStream {
  const catalog = JSON.parse(source) as Json;
  const streams = isObject(catalog) ? catalog['streams'] : undefined;
  if (!isObject(catalog) || streams === undefined || !isList(streams) || !streams.every(isObject))
    throw new SyntaxError('it has no list of "streams"');
  const byId = streams.filter((entry) => idOf(entry) === stream);
  const found = byId.length > 0 ? byId : streams.filter((entry) => entry['stream'] === stream);
  const [entry] = found;
  if (entry === undefined || found.length > 1) throw new UnknownStream(streams.map(idOf));
  const chosen = streams.map((one) => (one === entry ? selected(one, options) : deselected(one)));
  const names = [stream, entry['tap_stream_id'], entry['stream'], entry['stream_alias']];
  return {
    catalog: JSON.stringify({ ...catalog, streams: chosen }),
    names: [...new Set(names.filter((name) => typeof name === 'string'))],
  };
}

interface SelectOptions {
  readonly metadata: JsonObject;
  readonly allProperties: boolean;
}

function idOf(entry: JsonObject): string {
  const name = entry['tap_stream_id'] ?? entry['stream'];
  return typeof name === 'string' ? name : '';
}

function selected(entry: JsonObject, { metadata, allProperties }: SelectOptions): JsonObject {
  const lines = metadataOf(entry).map((line) =>
    allProperties && line.breadcrumb.length > 0 ? { ...line, metadata: withProperty(line.metadata) } : line,
  );
  return { ...withStream(entry, lines, { ...metadata, selected: true }), selected: true };
}

function deselected(entry: JsonObject): JsonObject {
  return { ...withStream(entry, metadataOf(entry), { selected: false }), selected: false };
}

type MetadataLine = { readonly breadcrumb: readonly Json[]; readonly metadata: JsonObject };

function metadataOf({ metadata = null }: JsonObject): MetadataLine[] {
  if (metadata === null) return [];
  if (!isList(metadata) || !metadata.every(isMetadataLine))
    throw new SyntaxError('metadata is no list of objects with "breadcrumb" and "metadata"');
  return metadata;
}

function isMetadataLine(line: Json): line is MetadataLine {
  return isObject(line) && Array.isArray(line['breadcrumb']) && isObject(line['metadata']);
}

function isList(value: Json): value is Json[] {
  return Array.isArray(value);
}

/** The line of the stream itself is the one with an empty breadcrumb. */
function withStream(entry: JsonObject, lines: readonly MetadataLine[], more: JsonObject): JsonObject {
  const own = lines.find(({ breadcrumb }) => breadcrumb.length === 0);
  const rest = lines.filter((line) => line !== own);
  const stream = { breadcrumb: [], metadata: { ...own?.metadata, ...more } };
  return { ...entry, metadata: [stream, ...rest] };
}

function withProperty(metadata: JsonObject): JsonObject {
  const says = metadata['selected'] !== undefined || metadata['selected-by-default'] !== undefined;
  return says || metadata['inclusion'] === 'unsupported' ? metadata : { ...metadata, selected: true };
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
