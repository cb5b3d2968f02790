import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import * as commands from '../src/cli/commands/index.js';
import { projectJsonSchema } from '../src/project/json-schema.js';
import { projectSchema } from '../src/project/schema/project.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT })
  .toString()
  .trim()
  .split('\n')
  .filter((file) => existsSync(join(ROOT, file)));
const pages = tracked.filter((file) => file.endsWith('.md') && !file.startsWith('tests/'));

interface Block {
  readonly place: string;
  readonly language: string;
  readonly text: string;
}
const blocks: Block[] = pages.flatMap((file) =>
  [...read(file).matchAll(/^```(\w*)\n([^]*?)^```/gm)].map(({ 1: language = '', 2: text = '', index }) => ({
    place: `${file}:${read(file).slice(0, index).split('\n').length}`,
    language,
    text,
  })),
);

const program = new Command('plumbline');
for (const register of Object.values(commands)) register(program);

/** `runs list` → its command; hidden ones are for no reader. */
function leaves(command: Command, path = ''): [string, Command][] {
  const children = (command.commands as Command[]).filter((child) => !(child as { _hidden?: boolean })._hidden);
  return children.length === 0
    ? [[path, command]]
    : children.flatMap((child) => leaves(child, `${path} ${child.name()}`.trim()));
}
const known = new Map(leaves(program));

describe('reference pages', () => {
  // It builds dist where a source is newer, which a machine with much to do takes minutes for.
  it('are what the code says: `npm run docs` writes them', { timeout: 300_000 }, async () => {
    const { stderr } = await promisify(execFile)(process.execPath, ['scripts/docs.mjs', '--check'], { cwd: ROOT });
    expect(stderr).toBe('');
  });

  it('name every command with its options', () => {
    const page = read('docs/reference/cli.md');
    for (const [path, command] of known) {
      const section = page.split(/^#+ /m).find((part) => part.startsWith(`plumbline ${path}\n`));
      expect(section, path).toBeDefined();
      for (const { flags } of command.options) expect(section, `${path} ${flags}`).toContain(`\`${flags}\``);
    }
  });

  it('name every top-level key of plumbline.yaml', () => {
    const schema = JSON.parse(projectJsonSchema()) as { properties: object };
    const page = read('docs/reference/config.md');
    for (const key of Object.keys(schema.properties)) expect(page).toContain(`## ${key}\n`);
  });

  it('name every error code that the code throws or lists', async () => {
    const page = read('docs/reference/errors.md');
    const sources = tracked.filter((file) => file.startsWith('src/') && file.endsWith('.ts'));
    const thrown = new Set<string>();
    for (const file of sources) {
      const text = read(file);
      for (const [, code = ''] of text.matchAll(
        /new (?:Terminal|Transient|Request)Error\(\s*(?:\d+,\s*)?'([A-Z0-9_]+)'/g,
      ))
        thrown.add(code);
      if (!/ErrorCodes = \{/.test(text)) continue;
      const module = (await import(pathToFileURL(join(ROOT, file)).href)) as Record<string, Record<string, string>>;
      for (const [name, codes] of Object.entries(module))
        if (name.endsWith('ErrorCodes')) Object.keys(codes).forEach((code) => thrown.add(code));
    }
    expect(thrown.size).toBeGreaterThan(80);
    expect([...thrown].filter((code) => !page.includes(`\`${code}\``))).toEqual([]);
  });
});

describe('pages', () => {
  it('link to files and headings that are there', () => {
    const broken: string[] = [];
    for (const file of pages) {
      const prose = read(file).replaceAll(/^```[^]*?^```/gm, '');
      for (const [, target = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const [path = '', heading] = target.split('#');
        const place = path === '' ? file : relative(ROOT, join(ROOT, dirname(file), path));
        if (!existsSync(join(ROOT, place))) broken.push(`${file}: ${target}`);
        else if (heading !== undefined && !headings(read(place)).includes(heading)) broken.push(`${file}: ${target}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it('are all reachable from docs/README.md or the README', () => {
    const index = read('docs/README.md') + read('README.md');
    const unlinked = pages.filter(
      (file) => file.startsWith('docs/') && file !== 'docs/README.md' && !index.includes(file.replace('docs/', '')),
    );
    expect(unlinked).toEqual([]);
  });

  it('show commands that exist, with options they have', () => {
    const wrong: string[] = [];
    for (const { place, text } of [...blocks, ...inlineCode()]) {
      for (const words of commandsIn(text)) {
        const path = [...known.keys()].find((one) => one === words.slice(0, one.split(' ').length).join(' '));
        if (path === undefined) wrong.push(`${place}: plumbline ${words.join(' ')}`);
        else {
          const flags = known.get(path)!.options.flatMap(({ short, long }) => [short, long]);
          for (const word of words)
            if (/^--?[a-z]/.test(word) && !flags.includes(word.split('=')[0]))
              wrong.push(`${place}: ${path} has no ${word}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('show plumbline.yaml files that are valid', () => {
    let checked = 0;
    for (const { place, language, text } of [...blocks, ...heredocs()]) {
      if (language !== 'yaml' || !/^# (part of )?plumbline\.yaml|^# yaml-language-server/.test(text)) continue;
      const value: unknown = parse(text);
      const result = projectSchema.safeParse({ name: 'example', ...(value as object) });
      expect(result.error?.issues ?? [], place).toEqual([]);
      checked++;
    }
    expect(checked).toBeGreaterThan(8);
  });

  it('say of no page that it is unfinished', () => {
    for (const file of pages) expect(read(file), file).not.toMatch(/\b(TODO|FIXME|TBD|lorem)\b|@[A-Z]{3,}\d?@/);
  });
});

/** GitHub's anchors. */
function headings(text: string): string[] {
  return [...text.replaceAll(/^```[^]*?^```/gm, '').matchAll(/^#+ (.*)$/gm)].map(({ 1: title = '' }) =>
    title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  );
}

function inlineCode(): Block[] {
  return pages.flatMap((file) =>
    [
      ...read(file)
        .replaceAll(/^```[^]*?^```/gm, '')
        .matchAll(/`(plumbline [^`]+)`/g),
    ].map(({ 1: text = '' }) => ({
      place: file,
      language: '',
      text: text.replaceAll(/\s+/g, ' '),
    })),
  );
}

/** Files that shell blocks write: `cat > plumbline.yaml <<'END'`. */
function heredocs(): Block[] {
  return blocks.flatMap(({ place, text }) =>
    [...text.matchAll(/cat > plumbline\.yaml <<'END'\n([^]*?)^END$/gm)].map(({ 1: body = '' }) => ({
      place,
      language: 'yaml',
      text: body,
    })),
  );
}

/** Words after `plumbline` at the start of a line or after `&&`, or after compose's `run --rm cli`; up to a comment or a pipe. */
function commandsIn(text: string): string[][] {
  return [
    ...text.matchAll(/(?:^|&& |; |`)\s*(?:\$ )?(?:plumbline|docker compose run --rm cli) ([a-z][^\n#|`&;]*)/gm),
  ].map(({ 1: rest = '' }) =>
    rest
      .replaceAll(/"[^"]*"|'[^']*'/g, 'quoted')
      .trim()
      .split(/\s+/),
  );
}
