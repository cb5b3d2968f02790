import { distance } from 'fastest-levenshtein';

/** The accepted name that a misspelt one was likely meant to be; undefined when none is close. */
export function nearest(name: string, accepted: readonly string[]): string | undefined {
  const plain = (text: string): string => text.toLowerCase().replaceAll(/[-_\s]/g, '');
  const [best] = accepted
    .map((candidate) => ({ candidate, edits: distance(plain(name), plain(candidate)) }))
    .sort((a, b) => a.edits - b.edits);
  // Half the letters wrong is no misspelling of it any more.
  return best !== undefined && best.edits <= Math.max(1, best.candidate.length / 2) ? best.candidate : undefined;
}

/** `; did you mean "x"?`, or nothing. */
export function didYouMean(name: string, accepted: readonly string[]): string {
  const found = nearest(name, accepted);
  return found === undefined ? '' : `; did you mean ${JSON.stringify(found)}?`;
}
