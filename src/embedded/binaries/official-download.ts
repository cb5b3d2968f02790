import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import type { ProgramPin } from './pins.js';

export type Report = (line: string) => void;

const CONNECT_TIMEOUT_MS = 5_000;
const STALL_TIMEOUT_MS = 30_000;

/** Fetches the project's own archive and unpacks the program into `folder`; gives its path. Throws after the last address. */
export async function downloadOfficial(pin: ProgramPin, folder: string, report: Report): Promise<string> {
  const failures: string[] = [];
  for (const template of pin.archives) {
    const url = template
      .replaceAll('{version}', pin.version)
      .replaceAll('{os}', process.platform)
      .replaceAll('{arch}', process.arch === 'x64' ? 'amd64' : process.arch);
    try {
      return await downloadArchive(url, pin, join(folder, `official-${failures.length}`), report);
    } catch (error) {
      failures.push(`${new URL(url).host}: ${reason(error)}`);
    }
  }
  throw new Error(failures.join('; '));
}

async function downloadArchive(url: string, pin: ProgramPin, target: string, report: Report): Promise<string> {
  report(`downloading ${pin.program} ${pin.version} from ${new URL(url).host}`);
  const control = new AbortController();
  let timer = setTimeout(() => control.abort(new Error('no answer in 5 s')), CONNECT_TIMEOUT_MS);
  try {
    const response = await fetch(url, { signal: control.signal });
    if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
    const total = Number(response.headers.get('content-length') ?? 0);
    let received = 0;
    let reported = Date.now();
    const source = Readable.fromWeb(response.body);
    source.on('data', (chunk: Buffer) => {
      clearTimeout(timer);
      timer = setTimeout(() => control.abort(new Error('no data for 30 s')), STALL_TIMEOUT_MS);
      received += chunk.length;
      if (Date.now() - reported < 2_000) return;
      reported = Date.now();
      report(
        `downloading ${pin.program} ${pin.version}: ${mebibytes(received)}${total ? ` of ${mebibytes(total)}` : ''} MiB`,
      );
    });
    await unpack(source, pin.program, target);
    return target;
  } finally {
    clearTimeout(timer);
  }
}

async function unpack(source: Readable, program: string, target: string): Promise<void> {
  const archive = extract();
  let found = false;
  archive.on('entry', (header, content, next) => {
    if (found || header.type !== 'file' || header.name.split('/').at(-1) !== program) {
      content.on('end', next).resume();
      return;
    }
    found = true;
    pipeline(content, createWriteStream(target, { flags: 'wx', mode: 0o755, flush: true })).then(() => next(), next);
  });
  await pipeline(source, createGunzip(), archive);
  if (!found) throw new Error(`the archive has no file ${program}`);
}

function mebibytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(0);
}

function reason(error: unknown): string {
  const cause = (error as { cause?: unknown }).cause;
  return cause instanceof Error ? cause.message : error instanceof Error ? error.message : String(error);
}
