// A blank, a quotation mark or what ends a sentence ends an address too; anything else may be part of a key.
// An address without parameters is matched too: a text of many that nothing separates would be read once for each of them.
const ADDRESS = /(\bhttps?:\/\/[^\s"<>?#]+)(\?[^\s"<>#]*[^\s"<>#.,;:!])?/gi;

// Before the last `@` of the host: a user with a password, of http(s) a user alone too, which is a token there. Texts that say how an
// address is written have the word for it.
const USER = /(\bhttps?:\/\/)[^\s"<>?#/]+@|(\b[a-z][a-z0-9+.-]{0,20}:\/\/[^\s"<>?#/:@]*:)(?!password@)[^\s"<>?#/]*@/gi;

/**
 * The text with `?…` for the parameters of every http(s) address in it, as signed addresses carry their key there, and `…@` for a password, of
 * any address.
 */
export function hideParameters(text: string): string {
  const named = text.replaceAll(USER, (_all, http: string | undefined, other: string | undefined) => `${http ?? other}…@`); // prettier-ignore
  return named.replaceAll(ADDRESS, (all, address: string, parameters: string | undefined) =>
    parameters === undefined ? all : `${address}?…`,
  );
}

/** The same in every text of a value that is plain JSON. */
export function hideParametersIn<T>(value: T): T {
  if (typeof value === 'string') return hideParameters(value) as T;
  if (Array.isArray(value)) return value.map((one: unknown) => hideParametersIn(one)) as T;
  if (typeof value !== 'object' || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, hideParametersIn(one)])) as T;
}
