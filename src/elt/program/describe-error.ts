import { relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProgramError } from './read-message.js';

const TRANSIENT_CODE =
  /^(ECONN|EAI_AGAIN|ETIMEDOUT|EPIPE|ENETUNREACH|EHOSTUNREACH|ENOTFOUND|UND_ERR_(CONNECT|HEADERS|BODY|SOCKET))/;
const TRANSIENT_STATUS = [408, 425, 429];

interface Thrown {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly stack?: unknown;
  readonly code?: unknown;
  readonly status?: unknown;
  readonly statusCode?: unknown;
  readonly response?: { readonly status?: unknown };
  readonly cause?: unknown;
  readonly after?: unknown;
}

/** What is told of something that a plug-in threw: whether it may pass, and where in the files below `root` it was thrown. */
export function describeProgramError(thrown: unknown, root: string): ProgramError {
  const error: Thrown = typeof thrown === 'object' && thrown !== null ? thrown : { message: String(thrown) };
  const retry = isTransient(error);
  return {
    type: typeof error.name === 'string' ? error.name : 'Error',
    message: String(error.message).slice(0, 4_000),
    frames: frames(typeof error.stack === 'string' ? error.stack : '', root),
    ...(retry && { retry }),
    ...(retry && typeof error.after === 'number' && { after: error.after }),
  };
}

/** A lost connection, a time-out, a server that is busy; not a bug, a missing file or a request that was refused. */
function isTransient(error: Thrown): boolean {
  if (error.name === 'Retry' || error.name === 'TimeoutError') return true;
  const status = [error.status, error.statusCode, error.response?.status].find((one) => typeof one === 'number');
  if (status !== undefined) return status >= 500 || TRANSIENT_STATUS.includes(status);
  if (typeof error.code === 'string' && TRANSIENT_CODE.test(error.code)) return true;
  return typeof error.cause === 'object' && error.cause !== null && isTransient(error.cause);
}

/** From V8's stack, innermost first there and last here; `--enable-source-maps` has made them the author's own lines. */
function frames(stack: string, root: string): ProgramError['frames'] {
  return stack
    .split('\n')
    .flatMap((line) => {
      const found = /^\s+at (?:(?:async )?(.*?) \()?(file:\/\/\S+|\/\S+):(\d+):\d+\)?$/.exec(line);
      if (found === null) return [];
      const path = found[2]!.startsWith('file:') ? fileURLToPath(found[2]!) : found[2]!;
      const file = relative(root, path).split(sep).join('/');
      if (file.startsWith('..') || file.startsWith('.plumbline-plugins/') || file.includes('node_modules/')) return [];
      const name = found[1]?.replace(/^.*\./, '').replace(/ \[as .*$/, '');
      return [{ file, line: Number(found[3]), ...(name !== undefined && name !== '' && { function: name }) }];
    })
    .slice(0, 10)
    .reverse();
}
