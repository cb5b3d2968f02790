import type { Json } from '../../model/project.js';
import { isReference } from '../../model/read-reference.js';
import { jsonElements, jsonMembers } from '../read/ndjson-line.js';
import type { Secrets } from './secrets.js';

/**
 * The body of a request with the secrets that `template`, the body as the project has it, names. Only the template says where: a text
 * such as env:NAME that comes from a row or an answer stays a text. Throws `ELT_SECRET_MISSING`, `ELT_SECRET_REFUSED` (terminal).
 *
 * @param body JSON text with the shape of the template, and perhaps more members
 */
export async function withSecretValues(template: Json, body: string, secrets: Secrets): Promise<string> {
  if (typeof template === 'string')
    return isReference(template) ? JSON.stringify(await secrets.valueOf(template)) : body;
  if (!holdsReference(template)) return body;
  if (template instanceof Array) {
    const elements = jsonElements(body).map((element, index) => withSecretValues(template[index]!, element, secrets));
    return `[${(await Promise.all(elements)).join(',')}]`;
  }
  const members = jsonMembers(body).map(async ({ key, source }) => {
    const own = Object.hasOwn(template as object, key) ? (template as Readonly<Record<string, Json>>)[key]! : null;
    return `${JSON.stringify(key)}:${await withSecretValues(own, source, secrets)}`;
  });
  return `{${(await Promise.all(members)).join(',')}}`;
}

/** Whether a secret is named anywhere in it. */
export function holdsReference(value: Json): boolean {
  if (typeof value === 'string') return isReference(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsReference);
}
