import type { Json, JsonObject, ProgramConfig } from '../../model/project.js';
import type { Secrets } from '../http/secrets.js';

/** Environment and configuration of a program, with the secrets that they refer to. Throws `ELT_SECRET_MISSING`. */
export async function resolveSecrets(
  { env, config }: Pick<ProgramConfig, 'env' | 'config'>,
  secrets: Secrets,
): Promise<{ readonly env: Record<string, string>; readonly config: JsonObject }> {
  const valueOf = async (text: string): Promise<string> => {
    const value = await secrets.valueOf(text);
    // A key of several lines is shown line by line.
    if (value !== text) for (const line of value.split('\n')) if (line.trim().length >= 8) secrets.add(line.trim());
    return value;
  };
  const visit = async (value: Json): Promise<Json> => {
    if (typeof value === 'string') return valueOf(value);
    if (value === null || typeof value !== 'object') return value;
    return Array.isArray(value) ? Promise.all(value.map(visit)) : visitMembers(value as JsonObject);
  };
  const visitMembers = async (object: JsonObject): Promise<JsonObject> =>
    Object.fromEntries(
      await Promise.all(Object.entries(object).map(async ([key, one]) => [key, await visit(one)] as const)),
    );
  return { env: (await visitMembers(env)) as Record<string, string>, config: await visitMembers(config) };
}
