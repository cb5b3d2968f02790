/** The word that goes with a number. @example plural(1, 'row') // row */
export function plural(count: number, one: string, many = `${one}s`): string {
  return count === 1 ? one : many;
}
