/** Codes of extract, load, transform and publication; documented in docs/reference/errors.md. */
export const eltErrorCodes = {
  ELT_FILE_MISSING: 'No file matches the path or glob of a resource. Correct `path` in plumbline.yaml.',
  ELT_FILE_EMPTY: 'A source file has no bytes. Remove it or let its producer finish.',
  ELT_FILE_HEADER_ONLY: 'A source file has a header and no row. The table keeps its former rows.',
  ELT_FILE_UNREADABLE: 'The operating system refused to read a source file. Correct its permissions.',
  ELT_FILE_IS_DIRECTORY: 'The path of a resource is a directory. Name a file or a glob such as `data/*.csv`.',
  ELT_FILE_CHANGED: 'A source file changed while it was read; the step is tried again.',
  ELT_FILE_ENCODING: 'A text source is not encoded as expected. Set `encoding`, or convert it.',
  ELT_FILE_BINARY: 'A file declared or named as text holds binary data. Set `format`, or correct `path`.',
  ELT_GZIP_BROKEN: 'A gzip file is damaged or cut short. Fetch it again.',
  ELT_FILE_BOMB: 'A packed file unpacks to far more than data does. If you trust it, unpack it yourself.',
  ELT_ZIP_BROKEN:
    'A zip archive, or a member of it, cannot be read: damaged, encrypted, or with names or links that lead out of it.',
  ELT_ZIP_MEMBER: 'A zip archive does not hold the `member` asked for, or several files and no `member` is named.',
  ELT_FILE_MALFORMED: 'A file cannot be read as its format says.',
  ELT_FORMAT_UNKNOWN: 'The format cannot be told from the file name. Set `format: csv`, `ndjson` or `parquet`.',
  ELT_HTTP_URL: 'A URL is not one that can be fetched: http: or https:, without a user name and a password.',
  ELT_HTTP_ADDRESS_REFUSED:
    'A URL, or where it redirects, leads to a loopback, private or metadata address. Set `allow_private: true` for a server of your own.',
  ELT_HTTP_REDIRECT: 'A server redirects too often, or from https to http. Set the URL to where it leads.',
  ELT_HTTP_CERTIFICATE: "A server's certificate is not trusted. Correct the URL, or set NODE_EXTRA_CA_CERTS.",
  ELT_HTTP_UNREACHABLE: 'A server does not answer; the step is tried again.',
  ELT_HTTP_CUT: 'A transfer stopped before its end; the step is tried again.',
  ELT_HTTP_PAGE: 'A server sent a web page instead of data. Set `path` to the URL of the file itself.',
  ELT_HTTP_STATUS: 'A server refused a request. Correct the URL or the credentials.',
  ELT_HTTP_STATUS_TRANSIENT: 'A server is busy or failing; the step is tried again, after its Retry-After.',
  ELT_HTTP_ANSWER:
    'An API answered with something other than JSON, often a page of HTML. Correct `url`, `path` or `auth`.',
  ELT_HTTP_RECORDS: 'An answer has no list of objects where `records` says. The message names what is there.',
  ELT_HTTP_PAGINATION: 'The pages of an API do not end, repeat, or lead to another server. Correct `pagination`.',
  ELT_HTTP_TOO_LARGE: 'One answer of an API is too large to be a page. Ask for smaller pages.',
  ELT_HTTP_TOKEN: 'The token address of an API gave no token. Correct `token_url`.',
  ELT_INVENTORY_READS:
    'The SELECT of an inventory reads what is not loaded before it: a transform, or its own resource. Read other sources.',
  ELT_INVENTORY_CYCLE:
    'Inventories wait for each other. Let one of them read tables that are loaded without the others.',
  ELT_INVENTORY_URL: 'An inventory has a row without an http(s) address in its column `url`. Correct the SELECT.',
  ELT_INVENTORY_TOO_LARGE:
    'An inventory names more than a million objects, or more than 2,000 without a parser. Set `parse`, or make several resources of it.',
  ELT_INVENTORY_MISSING:
    'A server does not have more of an inventory than `max_missing` allows. What came is kept; correct the SELECT, or raise it.',
  ELT_PARSER_FAILED: 'A parser ended too early, cannot be loaded, or gave nothing that says what columns there are.',
  ELT_PARSER_STUCK: 'A parser took longer than ten minutes for one object and was ended.',
  ELT_PARSER_UNSTABLE:
    'A parser gave other rows for the same bytes than before. Let it depend on nothing but its object.',
  ELT_SECRET_MISSING:
    'A secret that plumbline.yaml names is not on the worker. Set the variable, or put the file there.',
  ELT_CHILD_START:
    'A program that a source needs is not there, or cannot be started. Install it where the workers run.',
  ELT_CHILD_LINE: 'A program wrote a line longer than a row may be. Write smaller rows.',
  ELT_CHECKPOINT_INVALID:
    'A checkpoint of a source is no JSON, or longer than 64 KiB. Keep it to what says where to go on.',
  ELT_CHECKPOINT_MISSING:
    'A source that appends gave rows behind its last checkpoint: the next load would append them again. Checkpoint after the last row.',
  ELT_CURSOR_MISSING:
    'No row of a source has a value in the field that is its cursor. Correct `cursor.field` or `cursor.type`.',
  ELT_SOURCE_EMPTY:
    'A source has no rows where some are expected; the table keeps its rows. `allow_empty: true` lets it become empty.',
  ELT_COLUMN_DUPLICATE: 'Two columns of a file have the same name. Rename one in the file.',
  ELT_COLUMN_UNKNOWN: 'plumbline.yaml names a column that the file does not have.',
  ELT_COLUMN_LIMIT: 'A file has more columns than a PostgreSQL table can hold (1,600, less three for metadata).',
  ELT_TYPE_CHANGE: 'A column of a published table cannot be changed to the type now declared.',
  ELT_TOO_MANY_REJECTS:
    'More rows were refused than `max_rejected` allows. Nothing was changed; see plumbline.rejects.',
  ELT_ROW_COUNT: 'The rows read, loaded, rejected and duplicate do not add up; nothing is published.',
  ELT_LOAD_FENCED: 'Another attempt took over this load; this one ends without effect.',
  ELT_WRITER_STUCK: "A former attempt's connection did not end in time; the step is tried again.",
  ELT_PRIMARY_KEY_MISSING: '`write: merge` needs a primary key. Set `primary_key`.',
  ELT_LOAD_UNKNOWN: 'A publication names a load that the ledger does not have or that is not staged.',
  ELT_STAGE_MISSING: 'The table to publish is not there. Run the step again, so that it is built anew.',
  ELT_SWAP_NOT_POSSIBLE:
    'Something hangs on a table that a swap cannot reproduce exactly (trigger, materialized view, foreign key, publication, foreign owner). Remove it, or keep it off this table.',
  ELT_SWAP_CANNOT_CARRY:
    'An index, constraint, view or grant of the old table does not fit the new one. Drop it or change the SELECT; the old table is untouched.',
  ELT_PUBLISH_TIMEOUT:
    'Open transactions kept a finished table from being published in time; they are named. End them, then retry the run.',
  ELT_SQL_ERROR: 'PostgreSQL refused the SQL of a transform or a test; file, line and column are named. Correct it.',
  ELT_SQL_NOT_A_SELECT: 'A transform has to be one SELECT (or WITH, VALUES, TABLE), without a second statement.',
  ELT_SQL_CYCLE: 'Transforms refer to each other in a circle; the path is named. Take one `ref` out.',
  ELT_SQL_DUPLICATE: 'Two SQL files give the same table. Rename one.',
  ELT_SELECT_UNKNOWN: '`--select` names a transform that the project does not have. Correct the name.',
  ELT_TEST_FAILED: 'A data test found rows it forbids. The published table is untouched; correct data, SELECT or test.',
  ELT_INCREMENT_KEY:
    'The SELECT of an incremental table gives a key twice, or a NULL in it. Make the key one that names each row.',
  ELT_INCREMENT_COLUMNS:
    'The SELECT of an incremental table gives other columns than the table has. Set `on_schema_change`, or build it whole with `--force`.',
  ELT_BUILD_FENCED: 'Another attempt took over this build; this one ends without effect.',
} as const;
