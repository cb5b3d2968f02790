import { TerminalError } from '../../errors.js';
import type { HttpAuth } from '../../model/project.js';
import { assertStatus } from './assert-status.js';
import { guardedFetch } from './guarded-fetch.js';
import { readBody } from './read-body.js';
import type { Secrets } from './secrets.js';

export interface AuthorizeOptions {
  readonly secrets: Secrets;
  readonly allowPrivate: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The headers that say who asks, by lower-case name. `oauth2` asks the token's address each time: keep the headers
 * until the source refuses them. Throws `ELT_SECRET_MISSING`, `ELT_HTTP_…`, `ELT_HTTP_TOKEN` (terminal).
 */
export async function authorize(
  auth: HttpAuth | undefined,
  options: AuthorizeOptions,
): Promise<Readonly<Record<string, string>>> {
  const { secrets } = options;
  switch (auth?.type) {
    case undefined:
      return {};
    case 'bearer':
      return { authorization: `Bearer ${await secrets.valueOf(auth.token)}` };
    case 'basic': {
      const pair = base64(`${await secrets.valueOf(auth.user)}:${await secrets.valueOf(auth.password)}`);
      secrets.add(pair);
      return { authorization: `Basic ${pair}` };
    }
    case 'header':
      return { [auth.name.toLowerCase()]: await secrets.valueOf(auth.value) };
    case 'oauth2':
      return { authorization: `Bearer ${await fetchToken(auth, options)}` };
  }
}

const MAX_TOKEN_BYTES = 1 << 20;

/** Client credentials grant, RFC 6749, 4.4: the client is named by Basic authentication, or in the body (2.3.1). */
async function fetchToken(
  auth: Extract<HttpAuth, { type: 'oauth2' }>,
  { secrets, allowPrivate, signal }: AuthorizeOptions,
): Promise<string> {
  const [id, secret] = [await secrets.valueOf(auth.clientId), await secrets.valueOf(auth.clientSecret)];
  const params: Record<string, string> = {};
  for (const [name, value] of Object.entries(auth.params ?? {})) params[name] = await secrets.valueOf(value);
  const response = await guardedFetch({
    url: auth.tokenUrl,
    method: 'POST',
    headers: {
      accept: 'application/json',
      ...(auth.inBody !== true && {
        authorization: `Basic ${base64(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`)}`,
      }),
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      ...(auth.inBody === true && { client_id: id, client_secret: secret }),
      ...(auth.scope !== undefined && { scope: auth.scope }),
      ...params,
    }).toString(),
    allowPrivate,
    signal,
  });
  assertStatus(response, new Date());
  const token = tokenIn((await readBody(response, MAX_TOKEN_BYTES)).toString('utf8'));
  if (token === undefined)
    throw new TerminalError('ELT_HTTP_TOKEN', `Asking ${auth.tokenUrl} for a token failed: the answer has no "access_token".`, {
      next: 'Correct `token_url`: it has to answer client credentials with JSON.',
    }); // prettier-ignore
  secrets.add(token);
  return token;
}

function tokenIn(answer: string): string | undefined {
  try {
    const { access_token: token } = JSON.parse(answer) as { access_token?: unknown };
    return typeof token === 'string' && token !== '' ? token : undefined;
  } catch {
    return undefined;
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
