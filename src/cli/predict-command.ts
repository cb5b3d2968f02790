import { readFile } from 'node:fs/promises';
import { loadSettings } from '../config.js';
import { TerminalError, TransientError } from '../errors.js';
import { repeatedKey } from '../serving/repeated-key.js';

export interface PredictOptions {
  readonly json?: string;
  readonly file?: string;
  readonly url?: string;
}

interface Answer {
  readonly model: string;
  readonly version: number;
  readonly predictions: number[];
  readonly prediction_ids: string[];
  readonly warnings?: { row: number; input: string; message: string }[];
}

/** Rows of one request, so that its body stays far below serving's bound. */
const ROWS_PER_REQUEST = 200;

/** Posts the rows to serving and prints its answer. The key, if serving asks for one, is the first of PLUMBLINE_SERVE_KEYS. */
export async function predictCommand(model: string, options: PredictOptions): Promise<void> {
  const rows = await readInput(options);
  const settings = await loadSettings({ cwd: process.cwd(), env: process.env });
  const base = (options.url ?? settings.serving.url).replace(/\/$/, '');
  const address = `${base}/models/${encodeURIComponent(model)}/predict`;
  const answers: Answer[] = [];
  for (let from = 0; from < rows.length; from += ROWS_PER_REQUEST)
    answers.push(await ask(address, rows.slice(from, from + ROWS_PER_REQUEST)));
  process.stdout.write(`${JSON.stringify(joined(answers), null, 2)}\n`);
}

async function ask(address: string, rows: readonly unknown[]): Promise<Answer> {
  const key = process.env['PLUMBLINE_SERVE_KEYS']?.split(',')[0]?.trim();
  let response: Response;
  try {
    response = await fetch(address, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key ? { authorization: `Bearer ${key}` } : {}) },
      body: JSON.stringify({ rows }),
      signal: AbortSignal.timeout(30_000),
    });
  } catch (cause) {
    const reason =
      cause instanceof Error ? ((cause.cause as Error | undefined)?.message ?? cause.message) : String(cause);
    throw new TransientError('SERVE_UNREACHABLE', `Asking ${address} failed: ${reason}.`, {
      next: 'Start serving with `plumbline up` or `plumbline serve`.',
      cause,
    });
  }
  const body = (await response.json().catch(() => ({}))) as Partial<Answer> & { error?: string; code?: string };
  if (response.ok) return body as Answer;
  throw new TerminalError(
    body.code ?? 'SERVE_INTERNAL',
    `Asking ${address} failed with ${response.status}: ${body.error ?? 'the answer is not of plumbline’s serving'}.`,
    { details: { status: response.status }, next: nextStep(response.status) },
  );
}

function nextStep(status: number): string {
  if (status === 404) return 'See what serves with `plumbline models list`.';
  if (status === 401) return 'Set PLUMBLINE_SERVE_KEYS to a key of the server.';
  if (status >= 500) return 'Look at /v2/health of the server and at its log.';
  return 'Correct the input; `plumbline models show` lists what the model takes.';
}

function joined([first, ...others]: readonly Answer[]): Answer | undefined {
  if (first === undefined) return undefined;
  return others.reduce((sum, answer, index) => {
    const offset = (index + 1) * ROWS_PER_REQUEST;
    const warnings = [
      ...(sum.warnings ?? []),
      ...(answer.warnings ?? []).map((entry) => ({ ...entry, row: entry.row + offset })),
    ];
    return {
      ...answer,
      predictions: [...sum.predictions, ...answer.predictions],
      prediction_ids: [...sum.prediction_ids, ...answer.prediction_ids],
      ...(warnings.length === 0 ? {} : { warnings }),
    };
  }, first);
}

async function readInput({ json, file }: PredictOptions): Promise<unknown[]> {
  if ((json === undefined) === (file === undefined)) {
    throw new TerminalError('SERVE_BODY_INVALID', 'Predicting failed: expected either --json or --file.', {
      next: `Say e.g. --json '{"column": 1}'.`,
    });
  }
  const where = json === undefined ? (file === '-' ? 'standard input' : file!) : '--json';
  const text = json ?? (file === '-' ? await readStandardInput() : await readRowsFile(file!));
  const rows = parseRows(text, where);
  // Serving refuses it too, but never sees it: the rows are written anew.
  const key = repeatedKey(text);
  if (key !== undefined) {
    const found = `it has the key ${JSON.stringify(key)} twice in one object, expected it once`;
    throw new TerminalError('SERVE_BODY_INVALID', `Reading ${where} failed: ${found}.`, {
      next: 'Keep the value that is meant.',
    });
  }
  if (rows.length > 0) return rows;
  throw new TerminalError('SERVE_BODY_INVALID', `Reading ${where} gave no rows, expected at least one.`);
}

async function readRowsFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new TerminalError('SERVE_BODY_INVALID', `Reading ${path} failed: ${(cause as Error).message}.`, { cause });
  }
}

async function readStandardInput(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) text += String(chunk);
  return text;
}

/** One object, an array of them, `{"rows": […]}`, or an object a line. */
function parseRows(text: string, where: string): unknown[] {
  try {
    const value = JSON.parse(text) as unknown;
    if (Array.isArray(value)) return value as unknown[];
    const { rows } = (value ?? {}) as { rows?: unknown };
    return Array.isArray(rows) ? (rows as unknown[]) : [value];
  } catch (error) {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    if (lines.length > 1 && lines[0]!.trim().endsWith('}'))
      return lines.map((line, index) => parseLine(line, index, where));
    throw notJson(where, error);
  }
}

function parseLine(line: string, index: number, where: string): unknown {
  try {
    return JSON.parse(line) as unknown;
  } catch (error) {
    throw notJson(`${where}, line ${index + 1}`, error);
  }
}

function notJson(where: string, cause: unknown): TerminalError {
  return new TerminalError(
    'SERVE_BODY_INVALID',
    `Reading ${where} failed: ${(cause as Error).message}, expected JSON.`,
    {
      next: `Quote it for the shell, e.g. --json '{"column": 1}'.`,
      cause,
    },
  );
}
