export interface Post {
  readonly url: string | URL;
  readonly headers: Readonly<Record<string, string>>;
  /** JSON. */
  readonly body: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Nobody answered. The message is a code or a name such as ECONNREFUSED or TimeoutError: never the address, which may hold a key. */
export class SilenceError extends Error {
  override readonly name = 'SilenceError';
}

/** POSTs JSON and gives the answer's status; what the answer says is not read, and a redirect is a status. Throws SilenceError. */
export async function postJson({ url, headers, body, timeoutMs, signal }: Post): Promise<number> {
  const limit = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await fetch(url, {
      method: 'POST',
      redirect: 'manual',
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      headers: { 'content-type': 'application/json', ...headers },
      body,
    });
    await answer.body?.cancel();
    return answer.status;
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as { code?: string };
    throw new SilenceError(code ?? (error as Error).name, { cause: error });
  }
}
