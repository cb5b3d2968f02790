/** A raw object, as a parser gets it. */
export interface RawObject {
  /** Its address, or its path as the project names it. */
  readonly name: string;
  /** Where its bytes lie on this machine; not to be written to. */
  readonly path: string;
  /** What the inventory says of it beside the address. */
  readonly columns: Readonly<Record<string, unknown>>;
  /** All its bytes. */
  bytes(): Buffer;
  /** All its bytes, read as UTF-8. */
  text(): string;
}

/** Values that keep what they are: a bigint every digit, a Date its instant, objects and lists as jsonb; undefined is no value. */
export type ParsedRow = Readonly<Record<string, unknown>>;

/** The default export of a parser's module: the rows of one raw object, in the same order each time. */
export type Parser = (object: RawObject) => Iterable<ParsedRow> | AsyncIterable<ParsedRow>;
