import type { Json, JsonObject } from '../../model/project.js';
import { assertSelection, isChosen } from './property-selection.js';

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
  /** Properties that the tap sends whatever is selected: keys, those of inclusion `automatic`, and those that are needed. */
  readonly always: readonly string[];
}

/**
 * A catalog with one stream selected and no other: by metadata, and by the older `selected` beside it. Of a discovered catalog every
 * property is selected about which nothing is said; a catalog of the user's is left as it is in that. Throws SyntaxError
 * when the text is no catalog, UnknownStream when it does not have the stream once, SelectionFault when `select` does not fit the stream.
 *
 * @param source the catalog as JSON
 * @param stream its `tap_stream_id`, else its `stream`
 * @param options.metadata what to say of the stream beside `selected`
 * @param options.allProperties whether to select properties
 * @param options.select patterns of the only properties to select, whatever the catalog says of them
 * @param options.needed properties to select beside them, such as the primary key
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
    always: alwaysSent(entry, options),
  };
}

interface SelectOptions {
  readonly metadata: JsonObject;
  readonly allProperties: boolean;
  readonly select?: readonly string[] | undefined;
  readonly needed?: readonly string[];
}

function idOf(entry: JsonObject): string {
  const name = entry['tap_stream_id'] ?? entry['stream'];
  return typeof name === 'string' ? name : '';
}

function selected(entry: JsonObject, options: SelectOptions): JsonObject {
  const { metadata, allProperties, select } = options;
  const given = metadataOf(entry).map((line) =>
    allProperties && line.breadcrumb.length > 0 ? { ...line, metadata: withProperty(line.metadata) } : line,
  );
  const lines = select === undefined ? given : withChosen(entry, given, select, alwaysSent(entry, options));
  return { ...withStream(entry, lines, { ...metadata, selected: true }), selected: true };
}

/** Says of every property whether it is chosen; what is inside one that is not, is not either. */
function withChosen(
  entry: JsonObject,
  lines: readonly MetadataLine[],
  select: readonly string[],
  always: readonly string[],
): MetadataLine[] {
  const { schema } = entry;
  const properties = isObject(schema) && isObject(schema['properties']) ? Object.keys(schema['properties']) : [];
  const told = lines
    .filter(({ breadcrumb }) => breadcrumb.length === 2)
    .flatMap(({ breadcrumb }) => nameOf(breadcrumb) ?? []);
  const names = [...new Set([...properties, ...told])];
  assertSelection(select, names, always);
  const chosen = new Set(names.filter((name) => always.includes(name) || isChosen(name, select)));
  const untold = names.filter((name) => !told.includes(name));
  return [
    ...lines.map(({ breadcrumb, metadata }) => {
      const name = nameOf(breadcrumb);
      if (name === undefined) return { breadcrumb, metadata };
      if (!chosen.has(name)) return { breadcrumb, metadata: { ...metadata, selected: false } };
      return { breadcrumb, metadata: breadcrumb.length === 2 ? { ...metadata, selected: true } : metadata };
    }),
    ...untold.map((name) => ({ breadcrumb: ['properties', name], metadata: { selected: chosen.has(name) } })),
  ];
}

function alwaysSent(entry: JsonObject, { metadata, needed = [] }: SelectOptions): string[] {
  const lines = metadataOf(entry);
  const stream = { ...lines.find(({ breadcrumb }) => breadcrumb.length === 0)?.metadata, ...metadata };
  const automatic = lines.filter((line) => line.breadcrumb.length === 2 && line.metadata['inclusion'] === 'automatic').map(({ breadcrumb }) => nameOf(breadcrumb)); // prettier-ignore
  const keys = [entry['key_properties'], stream['table-key-properties'], stream['view-key-properties'], entry['replication_key'], stream['replication-key']].flat(); // prettier-ignore
  return [...new Set([...automatic, ...keys, ...needed].filter((name) => typeof name === 'string'))];
}

/** The property of the stream that a line is about, or about something inside of. */
function nameOf([first, name]: readonly Json[]): string | undefined {
  return first === 'properties' && typeof name === 'string' ? name : undefined;
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
