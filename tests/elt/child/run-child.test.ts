import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { childEnvironment } from '../../../src/elt/child/child-environment.js';
import { runChild, type ChildOptions } from '../../../src/elt/child/run-child.js';

const environment = childEnvironment(process.env, {});

async function run(script: string, options: Partial<ChildOptions> = {}) {
  const lines: string[] = [];
  const log: string[] = [];
  const result = await runChild({
    command: [process.execPath, '-e', script],
    cwd: tmpdir(),
    environment,
    onLine: (line) => void lines.push(line.toString()),
    onLog: (line) => void log.push(line),
    ...options,
  });
  return { ...result, lines, log };
}

/** Processes with the mark in their command line. */
async function running(mark: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
    const command = await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '');
    if (command.includes(mark)) found.push(pid);
  }
  return found;
}

async function gone(mark: string): Promise<void> {
  await expect.poll(() => running(mark), { timeout: 10_000, interval: 20 }).toEqual([]);
}

/** Does not listen to SIGTERM and starts another one that does not either. */
const STUBBORN = (mark: string): string =>
  `process.on('SIGTERM', () => {}); // ${mark}
   if (process.argv[1] !== 'inner') require('child_process').spawn(process.execPath, ['-e', process.execArgv[1], 'inner'], { stdio: 'inherit' });
   setInterval(() => {}, 1000); console.log('ready')`;

describe('runChild', () => {
  it('gives every line as it is, the exit code and what stood last on standard error', async () => {
    const ended = await run(
      `process.stdout.write('a\\n\\nb\\u00e9\\r\\n' + 'x'.repeat(200000) + '\\nlast');
       console.error('\\u001b[31mred\\u001b[0m \\u0007bell\\ttab');
       for (let i = 0; i < 30; i++) console.error('line ' + i)`,
    );
    expect(ended.lines).toEqual(['a', '', 'bé\r', 'x'.repeat(200_000), 'last']);
    expect(ended).toMatchObject({ exitCode: 0, signal: null });
    expect(ended.log[0]).toBe('red bell\ttab');
    expect(ended.stderrTail).toEqual(Array.from({ length: 20 }, (_, index) => `line ${index + 10}`));
  });

  it('gives no half line of a program that was killed or failed, and cuts what is printed without an end or as bytes', async () => {
    const half = (end: string) => run(`require('fs').writeSync(1, '{"id":1}\\n{"id":2,"na'); ${end}`);
    const killed = await half('process.kill(process.pid, "SIGKILL")');
    expect(killed).toMatchObject({ lines: ['{"id":1}'], exitCode: null, signal: 'SIGKILL' });
    expect(await half('process.exit(3)')).toMatchObject({ lines: ['{"id":1}'], exitCode: 3, signal: null });
    const ended = await run(
      `const fs = require('fs'); const write = (bytes) => { for (let at = 0; at < bytes.length;) at += fs.writeSync(2, bytes, at); };
       write(Buffer.alloc(10 << 20, 'x')); write(Buffer.from([10, 0, 255, 254, 27, 65, 10])); write(Buffer.from('last'));`,
    );
    expect(ended.log).toEqual([`${'x'.repeat(4_000)}…`, '\ufffd\ufffd', 'last']);
  });

  it('keeps what is printed away from the lines when they come on file descriptor 3', async () => {
    const ended = await run(
      `console.log('noise'); require('fs').writeSync(3, '{"id":1}\\n');
       require('child_process').execFileSync('sh', ['-c', 'echo more noise'], { stdio: 'inherit' })`,
      { output: 3 },
    );
    expect(ended.lines).toEqual(['{"id":1}']);
    expect(ended.log).toEqual(['noise', 'more noise']);
  });

  it('gives its input and nothing of the environment that is not declared', async () => {
    const worker = { ...process.env, PLUMBLINE_DATABASE_URL: 'postgres://secret', LC_ALL: 'C.UTF-8', NODE_OPTIONS: '' };
    const ended = await run(
      `process.stdin.on('data', (part) => console.log(String(part))).on('end', () => console.log(Object.keys(process.env).sort().join()))`,
      { input: 'hello', environment: childEnvironment(worker, { TOKEN: 's3cr3t' }) },
    );
    const names = ended.lines[1]!.split(',');
    expect(ended.lines[0]).toBe('hello');
    expect(names).toContain('TOKEN');
    expect(names).toContain('LC_ALL');
    expect(names.filter((name) => !/^(PATH|HOME|LANG|LC_[A-Z]+|TZ|TMPDIR|PLUMBLINE_STACK|TOKEN)$/.test(name))).toEqual(
      [],
    );
  });

  it('takes secrets out of what is shown', async () => {
    const redact = (text: string): string => text.replaceAll('s3cr3t', '***');
    const ended = await run(`console.error('token \\u001b[1ms3c\\u001b[0mr3t refused')`, { redact });
    expect(ended.stderrTail).toEqual(['token *** refused']);
  });

  it('waits for whoever takes the lines', async () => {
    let taken = 0;
    const ended = await run(`for (let i = 0; i < 5; i++) console.log(i)`, {
      onLine: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        taken++;
      },
    });
    expect([ended.exitCode, taken]).toEqual([0, 5]);
  });

  it('ends a program whose line is too long, and one whose line is refused', async () => {
    const endless = `for (;;) require('fs').writeSync(1, 'x'.repeat(65536))`;
    await expect(run(endless, { maxLineBytes: 1 << 20 })).rejects.toMatchObject({ code: 'ELT_CHILD_LINE' });
    const refuse = (): never => {
      throw new Error('no such row');
    };
    await expect(run(`setInterval(() => console.log(1), 1)`, { onLine: refuse })).rejects.toThrow('no such row');
  });

  it('says that a program is not there', async () => {
    const start = (options: Partial<ChildOptions>) => run('', options);
    await expect(start({ command: ['no-such-program-here'] })).rejects.toMatchObject({
      code: 'ELT_CHILD_START',
      message: 'Starting no-such-program-here failed: there is no such program.',
    });
    await expect(start({ cwd: '/no/such/folder' })).rejects.toMatchObject({ code: 'ELT_CHILD_START' });
  });

  it('ends all of a program that does not listen when the signal aborts', async () => {
    const mark = `abort-${process.pid}`;
    const controller = new AbortController();
    const ready = { count: 0 };
    const ended = run(STUBBORN(mark), {
      signal: controller.signal,
      graceMs: 50,
      onLine: () => {
        if (++ready.count === 2) controller.abort(new Error('cancelled'));
      },
    });
    await expect(ended).rejects.toThrow('cancelled');
    await gone(mark);
  });

  it('ends what a program left in the background, also when that has left its group', async () => {
    const mark = `background-${process.pid}`;
    const background = `require('child_process').spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000) // ${mark}'], { stdio: 'inherit', detached: false })`;
    expect((await run(`${background}.unref(); console.log('done')`)).lines).toEqual(['done']);
    await gone(mark);
  });

  it('does not wait for a process that left the group and holds the pipe', async () => {
    const holder = `const c = require('child_process').spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)'], { stdio: 'inherit', detached: true }); c.unref(); console.log(c.pid)`;
    const ended = await run(holder);
    process.kill(Number(ended.lines[0]), 'SIGKILL');
    expect(ended.exitCode).toBe(0);
  });

  it('does not wait for one that left the group and goes on writing', async () => {
    for (const writes of [
      `setInterval(() => console.log('{}'), 50)`,
      `for (;;) require('fs').writeSync(2, 'x'.repeat(65536))`,
    ]) {
      const holder = `const c = require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(writes)}], { stdio: 'inherit', detached: true }); c.unref(); console.log(c.pid)`;
      const ended = await run(holder);
      process.kill(Number(ended.lines[0]), 'SIGKILL');
      expect(ended.exitCode).toBe(0);
    }
  });

  it.each(['the worker', 'the guard'])('leaves nothing running when %s is killed', async (who) => {
    const mark = `kill-${who.replace(' ', '-')}-${process.pid}`;
    const module = fileURLToPath(new URL('../../../dist/elt/child/run-child.js', import.meta.url));
    const worker = spawn(process.execPath, [
      '--input-type=module',
      '-e',
      `import { runChild } from ${JSON.stringify(module)};
       await runChild({ command: [process.execPath, '-e', ${JSON.stringify(STUBBORN(mark))}], cwd: '/', graceMs: 50,
         environment: process.env, onLine: (line) => console.log(String(line)) })`,
    ]);
    for (let seen = ''; !/ready\s+ready/.test(seen);) seen += String((await once(worker.stdout, 'data'))[0]);
    const marked = await running(mark);
    expect(marked.length).toBeGreaterThanOrEqual(3);
    if (who === 'the worker') worker.kill('SIGKILL');
    else {
      const guard = (await running('elt/child/guard.js')).filter((pid) => marked.includes(pid));
      expect(guard).toHaveLength(1);
      process.kill(Number(guard[0]), 'SIGKILL');
    }
    await gone(mark);
  });
});
