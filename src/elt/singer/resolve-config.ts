import type { JsonObject, JsonValue } from '../../model/project.js';
import type { Secrets } from '../http/secrets.js';

/** A tap's configuration with the secrets that its texts refer to, at any depth. Throws `ELT_SECRET_MISSING` (terminal). */
export async function resolveConfig(config: JsonObject, secrets: Secrets): Promise<JsonObject> {
  return (await resolve(config, secrets)) as JsonObject;
}

async function resolve(value: JsonValue, secrets: Secrets): Promise<JsonValue> {
  if (typeof value === 'string') return secrets.valueOf(value);
  if (Array.isArray(value)) return Promise.all((value as JsonValue[]).map((one) => resolve(one, secrets)));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(async ([key, one]) => [key, await resolve(one, secrets)] as const);
  return Object.fromEntries(await Promise.all(entries));
}
