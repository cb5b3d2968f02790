/** Codes of what the stages share; documented in docs/reference/errors.md. */
export const modelErrorCodes = {
  SQL_UNKNOWN_REF: '`ref` or `source` in an SQL file names something the project does not have. Correct the name.',
  SQL_UNKNOWN_VAR:
    '`var` in an SQL file names nothing under `vars` in plumbline.yaml, and gives no default. Add it, or a second argument.',
  SQL_TEMPLATE:
    'An SQL or macro file has a template mistake: an unknown variable or filter, or a tag that is not closed.',
  SELECT_EMPTY: 'What `--select` names, or `select` of a schedule, is excluded again, so there is nothing to do.',
  INTERVAL_INVALID: 'An interval is not two dates or times with / between them, the earlier one first.',
} as const;
