import type { HttpRequestConfig, Json, JsonObject } from '../model/project.js';
import type { HttpPlace } from './resolve-http-resource.js';
import { refuser, type ResourceScope } from './resource-place.js';

/** What is sent by POST, and where an answer says that it failed; undefined when something is wrong, which is reported. */
export function resolveHttpBody(
  resource: HttpPlace,
  scope: ResourceScope,
): Pick<HttpRequestConfig, 'body' | 'errors'> | undefined {
  const { given, path } = resource;
  const place = path.join('.');
  const refuse = refuser(resource, scope);
  const isPost = given.method === 'POST';
  if (given.body !== undefined && !isPost)
    return void refuse({
      message: `${place} has a "body", which a GET does not send.`,
      at: 'body',
      part: 'key',
      next: 'Add `method: POST`.',
    });
  const body = (given.body ?? {}) as JsonObject;
  for (const { key, param } of putIntoBody(given)) {
    const fault = isPost ? faultOf(body, param) : 'which a GET does not send';
    if (fault === undefined) continue;
    return void refuse({
      message: `${place}.${key} puts ${JSON.stringify(param)} into the body, ${fault}.`,
      at: key,
      next: isPost ? 'Correct `param`: keys with dots between them, such as page.after.' : 'Add `method: POST`.',
    });
  }
  const isGraphql = isPost && typeof body['query'] === 'string';
  if (isGraphql && given.errors === undefined) scope.applied(`${place}.errors = errors (as GraphQL answers)`);
  const errors = given.errors ?? (isGraphql ? 'errors' : undefined);
  return { ...(isPost && { body }), ...(errors !== undefined && { errors: errors.split('.') }) };
}

function putIntoBody({ pagination, cursor }: HttpPlace['given']) {
  const ofPages =
    pagination !== undefined && 'in' in pagination && pagination.in === 'body'
      ? [{ key: 'pagination', param: pagination.param ?? pagination.type }]
      : [];
  return [...ofPages, ...(cursor?.in === 'body' ? [{ key: 'cursor', param: cursor.param }] : [])];
}

/** Why a value cannot stand at these keys of the body. */
function faultOf(body: JsonObject, param: string): string | undefined {
  if (!/^[^.]+(\.[^.]+)*$/.test(param)) return 'expected keys with dots between them';
  let value: Json | undefined = body;
  for (const key of param.split('.')) {
    if (typeof value !== 'object' || value === null || value instanceof Array)
      return `where ${JSON.stringify(key)} would be in ${JSON.stringify(value)}, which is no object`;
    value = Object.hasOwn(value, key) ? value[key] : {};
  }
  return typeof value === 'string' && /^(env|file):/.test(value) ? 'which has a secret there' : undefined;
}
