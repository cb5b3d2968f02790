import type { ColumnType } from '../../model/project.js';
import { commonType } from '../schema/unify-columns.js';

/** A property of a stream: what its column is and which JSON values it allows. */
export interface SchemaProperty {
  readonly name: string;
  readonly type: ColumnType;
  /** Kinds of JSON values that are no fault; undefined for any. NULL always is allowed. */
  readonly kinds: readonly PropertyKind[] | undefined;
}

export type PropertyKind = 'string' | 'integer' | 'number' | 'boolean' | 'object' | 'array';

export interface StreamSchema {
  /** In the order of the schema. */
  readonly properties: readonly SchemaProperty[];
  /** Members that a record must have. */
  readonly required: readonly string[];
}

/**
 * What the JSON Schema of a Singer stream says of its columns. Numbers are `numeric`, so that they are exact; objects and lists are
 * `jsonb`; alternatives get the type that holds all of them. Throws SyntaxError when it has no `properties`, or one that is no schema.
 *
 * @param source the schema as JSON
 */
export function schemaColumns(source: string): StreamSchema {
  const schema = JSON.parse(source) as JsonSchema;
  const { properties, required } = schema;
  if (!isObject(properties)) throw new SyntaxError('the schema has no "properties", expected those of a record');
  if (required !== undefined && !(Array.isArray(required) && required.every((one) => typeof one === 'string')))
    throw new SyntaxError('"required" of the schema is no list of names');
  return {
    properties: Object.entries(properties).map(([name, property]) => propertyOf(name, property, schema)),
    required: (required as readonly string[] | undefined) ?? [],
  };
}

type JsonSchema = Readonly<Record<string, unknown>>;

function propertyOf(name: string, property: unknown, root: JsonSchema): SchemaProperty {
  const alternatives = alternativesOf(property, root, name, 0).filter(({ kind }) => kind !== 'null');
  const types = alternatives.map(({ type }) => type);
  // `{}` and `null` alone say nothing of the values.
  const isOpen = alternatives.length === 0 || alternatives.some(({ kind }) => kind === 'any');
  return {
    name,
    type: isOpen ? 'jsonb' : types.reduce(holding),
    kinds: isOpen ? undefined : [...new Set(alternatives.map(({ kind }) => kind as PropertyKind))],
  };
}

/** Text holds every scalar, jsonb every value. */
function holding(one: ColumnType, other: ColumnType): ColumnType {
  return one !== other && (one === 'jsonb' || other === 'jsonb') ? 'jsonb' : commonType(one, other, false);
}

interface Alternative {
  readonly kind: PropertyKind | 'null' | 'any';
  readonly type: ColumnType;
}

const MAX_DEPTH = 20;

function alternativesOf(given: unknown, root: JsonSchema, name: string, depth: number): Alternative[] {
  if (given === true) return [{ kind: 'any', type: 'jsonb' }];
  if (!isObject(given) || depth > MAX_DEPTH)
    throw new SyntaxError(`property ${JSON.stringify(name)} has no schema that can be read`);
  const schema =
    given['$ref'] === undefined ? given : { ...referred(given['$ref'], root, name), ...given, $ref: undefined };
  const branches = [schema['anyOf'], schema['oneOf']].find(Array.isArray) as unknown[] | undefined;
  if (branches !== undefined && schema['type'] === undefined)
    return branches.flatMap((branch) => alternativesOf(branch, root, name, depth + 1));
  if (Array.isArray(schema['allOf']) && schema['type'] === undefined) {
    const merged = Object.assign({}, ...(schema['allOf'] as object[]), { ...schema, allOf: undefined }) as JsonSchema;
    return alternativesOf(merged, root, name, depth + 1);
  }
  const { type } = schema;
  if (type === undefined) return [{ kind: 'any', type: 'jsonb' }];
  return [type].flat().map((one) => alternative(one, schema, name));
}

function referred(reference: unknown, root: JsonSchema, name: string): JsonSchema {
  const steps = typeof reference === 'string' && reference.startsWith('#/') ? reference.slice(2).split('/') : [''];
  const found = steps.reduce<unknown>((at, step) => (isObject(at) ? at[step] : undefined), root);
  if (!isObject(found))
    throw new SyntaxError(
      `property ${JSON.stringify(name)} refers to ${JSON.stringify(reference)}, which the schema does not have`,
    );
  return found;
}

function alternative(type: unknown, schema: JsonSchema, name: string): Alternative {
  switch (type) {
    case 'null':
      return { kind: 'null', type: 'text' };
    case 'boolean':
      return { kind: 'boolean', type: 'boolean' };
    case 'integer':
      return { kind: 'integer', type: isBeyondBigint(schema) ? 'numeric' : 'bigint' };
    case 'number':
      return { kind: 'number', type: 'numeric' };
    case 'string':
      return { kind: 'string', type: FORMATS[String(schema['format'])] ?? 'text' };
    case 'object':
    case 'array':
      return { kind: type, type: 'jsonb' };
    default:
      throw new SyntaxError(
        `property ${JSON.stringify(name)} has the type ${JSON.stringify(type)}, expected null, boolean, integer, number, string, object or array`,
      );
  }
}

const FORMATS: Readonly<Record<string, ColumnType>> = {
  'date-time': 'timestamptz',
  date: 'date',
  time: 'time',
  uuid: 'uuid',
  'singer.decimal': 'numeric',
};

const MAX_BIGINT = 2 ** 63;

/** `maximum` is an example of what may come; a schema without bounds gets a bigint. */
function isBeyondBigint({ minimum, maximum }: JsonSchema): boolean {
  return Number(minimum ?? 0) < -MAX_BIGINT || Number(maximum ?? 0) > MAX_BIGINT;
}

function isObject(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
