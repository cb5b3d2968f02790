/** Codes of what the stages share; documented in docs/reference/errors.md. */
export const modelErrorCodes = {
  SQL_UNKNOWN_REF: '`ref` or `source` in an SQL file names something the project does not have. Correct the name.',
  SQL_TEMPLATE: 'An SQL file has a template mistake: an unknown variable or filter, or a tag that is not closed.',
} as const;
