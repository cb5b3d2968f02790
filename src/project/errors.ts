export const projectErrorCodes = {
  PROJECT_NOT_FOUND:
    'There is no plumbline.yaml in the folder. Change to the project, or make one with `plumbline init`.',
  PROJECT_FILE_MISSING: 'A file that plumbline.yaml names is not there. Correct the name or add the file.',
  PROJECT_FILE_UNREADABLE:
    'A file of the project cannot be read: a folder, no permission, too large, or not UTF-8 text.',
  PROJECT_YAML_SYNTAX:
    'plumbline.yaml or the header of an SQL file is not valid YAML. Correct the line and column named.',
  PROJECT_KEY_UNKNOWN: 'A key is not one that plumbline knows. Rename it to the nearest one named, or remove it.',
  PROJECT_KEY_LATER: 'A key or value is planned, and this version of plumbline does not have it yet. Remove it.',
  PROJECT_KEY_MISSING: 'A key that is needed is not there. Add it.',
  PROJECT_VALUE_INVALID: 'A value is not of the form that its key takes. The message says what is expected.',
  PROJECT_NAME_TOO_LONG:
    'Project and environment make a schema name longer than the 63 bytes PostgreSQL allows. Shorten one.',
  PROJECT_NAME_TAKEN: 'Two things of the project would have the same name. Rename one.',
  PROJECT_REFERENCE_UNKNOWN: 'A name refers to a feature view, table or environment that the project does not have.',
  PROJECT_SECRET_IN_FILE:
    'A secret stands in plumbline.yaml. Move it to an environment variable or a file and refer to that.',
  PROJECT_SQL_EMPTY: 'An SQL file has no statement, only comments or nothing. Write one SELECT.',
  PROJECT_HEADER_MISSING: 'An SQL file lacks the `-- key: value` lines it needs at its top.',
  PROJECT_FOLDER_NOT_EMPTY: '`init` writes into empty folders only. Name another folder.',
  PROJECT_TEMPLATE_UNKNOWN: '`init` has no template of that name.',
  PROJECT_BUNDLE_FILE_TOO_LARGE:
    'A file of the code bundle is larger than 5 MB, and a program of the project may read it. Name data under `sources`, what is not read in .plumblineignore.',
  PROJECT_BUNDLE_TOO_LARGE:
    'The code bundle is too large as a whole. Name what is not code in a file .plumblineignore.',
  PROJECT_PLUGIN_BUILD:
    'A plug-in or a parser cannot be built into one module: a syntax error, no default export, an import that is not there, a native addon, too large. File and line are named.',
  PROJECT_FUNCTION_UNKNOWN:
    'A Python script does not have the function that a source names. Correct `function`, or write it.',
  PROJECT_PYTHON_SYNTAX: 'A Python script that a source names cannot be parsed. Correct the line that is named.',
  PROJECT_BUNDLE_INVALID:
    'A code bundle holds something other than plain files inside the project, or is not what its digest says.',
} as const;

export type ProjectErrorCode = keyof typeof projectErrorCodes;
