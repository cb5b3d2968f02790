// Lets a child process run the sources themselves: node --import ./tests/setup/typescript-loader.mjs some/file.ts
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { register } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) register(import.meta.url);

export async function resolve(specifier, context, next) {
  if (!specifier.startsWith('.') || !specifier.endsWith('.js')) return next(specifier, context);
  try {
    return await next(specifier.replace(/\.js$/, '.ts'), context);
  } catch {
    return next(specifier, context);
  }
}

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context);
  const path = fileURLToPath(url);
  return { format: 'module', source: await compiled(path, readFileSync(path, 'utf8')), shortCircuit: true };
}

// Loading the compiler takes longer than most processes under test: what it made is kept by the content it was made of.
const cache = join(tmpdir(), `plumbline-compiled-${process.getuid?.() ?? 0}`);

async function compiled(path, text) {
  const file = join(cache, `${createHash('sha256').update(path).update(text).digest('hex')}.mjs`);
  try {
    return readFileSync(file, 'utf8');
  } catch {
    const { default: typescript } = await import('typescript');
    const { outputText } = typescript.transpileModule(text, {
      fileName: path,
      compilerOptions: {
        target: typescript.ScriptTarget.ES2023,
        module: typescript.ModuleKind.ESNext,
        verbatimModuleSyntax: true,
        inlineSourceMap: true,
      },
    });
    mkdirSync(cache, { recursive: true, mode: 0o700 });
    writeFileSync(`${file}.${process.pid}`, outputText);
    renameSync(`${file}.${process.pid}`, file);
    return outputText;
  }
}
