/**
 * Line numbers through a template. Each line of the user's file starts with a mark that nunjucks copies to its output,
 * so that afterwards every line of the output knows where it came from, loops and conditions included.
 *
 * A mark is made of rare white space: `{%-` and `-%}` then trim it like any other.
 */
const OPEN = '\u2028';
const CLOSE = '\u2029';
const ZERO = 0x2000;
const MARK = /\u2028([\u2000-\u2009]+)\u2029/g;

export interface MappedText {
  readonly text: string;
  /** Line of the user's file (from 1) for each line of `text`. */
  readonly lines: readonly number[];
}

/** `template` with marks at the start of each line and after each tag, never inside a tag. */
export function markLines(template: string): string {
  const tag = /\{\{[\s\S]*?\}\}|\{%-?\s*raw\s*-?%\}[\s\S]*?\{%-?\s*endraw\s*-?%\}|\{%[\s\S]*?%\}|\{#[\s\S]*?#\}/g;
  let line = 1;
  let marked = mark(1);
  let at = 0;
  const copyText = (text: string): void => {
    for (const [index, part] of text.split('\n').entries()) marked += index === 0 ? part : `\n${mark(++line)}${part}`;
  };
  for (const match of template.matchAll(tag)) {
    copyText(template.slice(at, match.index));
    line += match[0].split('\n').length - 1;
    marked += match[0] + mark(line);
    at = match.index + match[0].length;
  }
  copyText(template.slice(at));
  return marked;
}

/** Takes the marks out, and adds line breaks where a tag of several lines left fewer, so that line numbers agree. */
export function unmarkLines(rendered: string): MappedText {
  let text = '';
  const lines: number[] = [1];
  let source = 1;
  const copy = (part: string): void => {
    text += part;
    for (let breaks = part.split('\n').length - 1; breaks > 0; breaks--) lines.push(source);
  };
  let at = 0;
  for (const match of rendered.matchAll(MARK)) {
    copy(rendered.slice(at, match.index));
    source = Number([...match[1]!].map((digit) => digit.charCodeAt(0) - ZERO).join(''));
    if (lines.length < source) copy('\n'.repeat(source - lines.length));
    if (text === '' || text.endsWith('\n')) lines[lines.length - 1] = source;
    at = match.index + match[0].length;
  }
  copy(rendered.slice(at));
  return { text, lines };
}

function mark(line: number): string {
  return OPEN + String.fromCharCode(...[...String(line)].map((digit) => ZERO + Number(digit))) + CLOSE;
}
