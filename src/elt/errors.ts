/** Codes of extract, load, transform and publication; documented in docs/reference/errors.md. */
export const eltErrorCodes = {
  ELT_SOURCE_STALE:
    'The newest row of a source is older than `error_after` of its `freshness`; what reads it is not built. Load newer rows.',
  ELT_FRESHNESS_COLUMN: 'The column `loaded_at` of a `freshness` is not there, or is no date or timestamp.',
  ELT_FRESHNESS_UNKNOWN: '`plumbline freshness` was asked about a resource that has no `freshness`.',
  ELT_FILE_MISSING: 'No file matches the path or glob of a resource. Correct `path` in plumbline.yaml.',
  ELT_FILE_EMPTY: 'A source file has nothing in it. Remove it, let its producer finish, or set `allow_empty: true`.',
  ELT_FILE_HEADER_ONLY:
    'A source file has a header and no row. The table keeps its former rows, unless `allow_empty: true`.',
  ELT_FILE_UNREADABLE:
    'The operating system refused to read a source file, or its name is not UTF-8. Correct its permissions or its name.',
  ELT_FILE_IS_DIRECTORY: 'The path of a resource is a directory. Name a file or a glob such as `data/*.csv`.',
  ELT_FILE_CHANGED: 'A source file changed while it was read; the step is tried again.',
  ELT_FILE_ENCODING: 'A text source is not encoded as expected. Set `encoding`, or convert it.',
  ELT_FILE_BINARY: 'A file declared or named as text holds binary data. Set `format`, or correct `path`.',
  ELT_GZIP_BROKEN: 'A gzip file is damaged or cut short. Fetch it again.',
  ELT_ZSTD_BROKEN: 'A Zstandard file is damaged, cut short or packed with too large a window. Fetch or pack it again.',
  ELT_FILE_BOMB: 'A packed file unpacks to far more than data does. If you trust it, unpack it yourself.',
  ELT_ZIP_BROKEN:
    'A zip archive, or a member of it, cannot be read: damaged, encrypted, or with names or links that lead out of it.',
  ELT_ZIP_MEMBER: 'A zip archive does not hold the `member` asked for, or several files and no `member` is named.',
  ELT_FILE_MALFORMED: 'A file cannot be read as its format says.',
  ELT_JSON_SYNTAX: 'A JSON document is not one; line and column say where. Correct the file.',
  ELT_JSON_RECORDS: 'A JSON document has no list of objects where `records` says. Correct `records`.',
  ELT_XLSX_BROKEN:
    'An Excel workbook is damaged, encrypted, or no .xlsx file. Save it anew as .xlsx, without a password.',
  ELT_XLSX_SHEET: 'An Excel workbook has no sheet of that name. Correct `xlsx.sheet`.',
  ELT_FORMAT_UNKNOWN: 'The format cannot be told from the file name. Set `format`.',
  ELT_HTTP_URL: 'A URL is not one that can be fetched: http: or https:, without a user name and a password.',
  ELT_HTTP_ADDRESS_REFUSED:
    'A URL, or where it redirects, leads to a loopback, private or metadata address. Set `allow_private: true` for a server of your own.',
  ELT_HTTP_REDIRECT:
    'A server redirects too often, from https to http, or a POST to where its body would be lost or seen by another server. Set the URL to where it leads.',
  ELT_HTTP_CERTIFICATE: "A server's certificate is not trusted. Correct the URL, or set NODE_EXTRA_CA_CERTS.",
  ELT_HTTP_UNREACHABLE: 'A server does not answer; the step is tried again.',
  ELT_HTTP_CUT: 'A transfer stopped before its end; the step is tried again.',
  ELT_HTTP_PAGE: 'A server sent a web page instead of data. Set `path` to the URL of the file itself.',
  ELT_HTTP_STATUS: 'A server refused a request. Correct the URL or the credentials.',
  ELT_HTTP_STATUS_TRANSIENT: 'A server is busy or failing; the step is tried again, after its Retry-After.',
  ELT_HTTP_ANSWER:
    'An API answered with something other than JSON, often a page of HTML. Correct `url`, `path` or `auth`.',
  ELT_HTTP_RECORDS: 'An answer has no list of objects where `records` says. The message names what is there.',
  ELT_HTTP_ERRORS:
    'An API answered with status 200 and with errors, as GraphQL does. The message has the first one; none of the answer is loaded.',
  ELT_HTTP_PAGINATION: 'The pages of an API do not end, repeat, or lead to another server. Correct `pagination`.',
  ELT_HTTP_ROWS:
    'An API would be asked for more than 200,000 rows one by one. Name fewer with `for_each: { query: … }`.',
  ELT_HTTP_TOO_LARGE: 'One answer of an API is too large to be a page. Ask for smaller pages.',
  ELT_HTTP_TOKEN: 'The token address of an API gave no token. Correct `token_url`.',
  ELT_PG_URL:
    'What the connection of a postgres source refers to is no postgres:// URL. Correct the variable or the file.',
  ELT_PG_UNREACHABLE: "A source's server does not answer, or closed the connection; the step is tried again.",
  ELT_PG_LOGIN: 'A source refused the login: wrong user, password or database. Correct the URL.',
  ELT_PG_TLS:
    'The connection to a source cannot be encrypted: no TLS, a certificate that is not trusted, or a file of the URL that is not there. See `sslmode` and `sslrootcert`.',
  ELT_PG_TABLE:
    'A source has no table or view of that name. The message names the nearest. Correct `table` or `schema`.',
  ELT_PG_PERMISSION: "The role of a source may not read a table. Let the table's owner grant SELECT.",
  ELT_PG_SQL: 'A source refused a query, or a value cannot be cast to a declared type. Correct `query` or `columns`.',
  ELT_PG_CURSOR: 'The cursor of a postgres source is no column of it, or one whose type cannot be followed.',
  ELT_PG_VALUE:
    'The warehouse cannot hold a value of a source, such as text that is not UTF-8. Correct it, or leave it out.',
  ELT_PG_TIMEOUT: 'A source cancelled a statement after its statement_timeout. Raise it for the role, or read less.',
  ELT_PG_BUSY:
    'A source refused for now: a conflict on a standby, a lock, no connections left, a shutdown. The step is tried again.',
  ELT_INVENTORY_READS:
    'The SELECT of an inventory or of `for_each` reads what is not loaded before it: a transform, or its own resource. Read other sources.',
  ELT_INVENTORY_CYCLE:
    'Inventories, or resources with `for_each`, wait for each other. Let one of them read tables that are loaded without the others.',
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
  ELT_SECRET_REFUSED:
    'plumbline.yaml names an environment variable that PLUMBLINE_PROJECT_ENV of the worker does not list, or a file outside of PLUMBLINE_SECRETS_DIR. The message says what to set.',
  ELT_CHILD_START:
    'A program that a source needs is not there, or cannot be started. Install it where the workers run.',
  ELT_CHILD_LINE: 'A program wrote a line longer than a row may be. Write smaller rows.',
  ELT_PROGRAM_ERROR: 'The code of a source raised an error; file and line are named. Correct it.',
  ELT_PROGRAM_RETRY:
    'The code of a source met a fault that may pass: a lost connection, a time-out, a busy server. The step is tried again, up to five times without a new checkpoint.',
  ELT_PROGRAM_ENDED:
    'The program of a source ended without saying that there are no more rows: exit(), a signal, out of memory. The step is tried again, up to five times without a new checkpoint.',
  ELT_PROGRAM_PROTOCOL: 'The program of a source wrote something that is neither a row nor a message.',
  ELT_CHECKPOINT_INVALID:
    'A checkpoint of a source is no JSON, or longer than 64 KiB. Keep it to what says where to go on.',
  ELT_CHECKPOINT_MISSING:
    'A source that appends gave rows behind its last checkpoint: the next load would append them again. Checkpoint after the last row.',
  ELT_SINGER_CATALOG:
    'The catalog of a Singer tap is not there or is none. Correct `catalog`, or set `discover: false` for a tap without one.',
  ELT_SINGER_STREAM: 'A Singer tap does not have the stream that is asked for. Correct `stream`.',
  ELT_SINGER_MESSAGE:
    'A Singer tap wrote a line that is no message, or a record before its schema. Report it to its maker.',
  ELT_SINGER_SCHEMA: 'The schema of a Singer stream does not say what its table is. Report it to the maker of the tap.',
  ELT_SINGER_BATCH:
    'A Singer tap sent files (BATCH) that it was not asked for, that lie elsewhere or that hold no records. Correct `batch_config`, or take it out.',
  ELT_SINGER_SELECT:
    '`select` names a property that the stream does not have, or leaves out one that is always sent. Correct it.',
  ELT_SINGER_KEY: 'A Singer stream changed its key properties during a load. Set `primary_key`.',
  ELT_SINGER_FAILED:
    'A Singer tap failed; its last words are in the message. It is tried 3 times, or 10 times when it comes further, each time behind its last STATE.',
  ELT_SINGER_ENDED:
    'A Singer tap was killed; it is tried 3 times, or 10 times when it comes further, each time behind its last STATE.',
  ELT_CURSOR_MISSING:
    'No row of a source has a value in the field that is its cursor. Correct `cursor.field` or `cursor.type`.',
  ELT_SOURCE_EMPTY:
    'A source has no rows, and the table has some, which it keeps (`allow_empty: true` lets it become empty), or is not there yet.',
  ELT_ANOMALY:
    'A table would be far from its own history in rows or NULLs, and `anomaly` is fail. It keeps its rows; `run --accept-anomaly` publishes it.',
  ELT_COLUMN_DUPLICATE: 'Two columns of a file have the same name. Rename one in the file.',
  ELT_COLUMN_UNKNOWN: 'plumbline.yaml names a column that the file, or none of several, has. Correct the name.',
  ELT_COLUMN_LIMIT: 'A file has more columns than a PostgreSQL table can hold (1,600, less five for metadata).',
  ELT_CHILD_TABLE:
    'The table that is to be a child table is there and is none. Give the child table another name with `table`, or leave the column as it is.',
  ELT_CONTRACT:
    'A file would change its table in a way that `contract` forbids; the message names the column. The table is untouched.',
  ELT_TABLE_TAKEN:
    'Rows would be added to a table that has those of another source, of a child table, or of the same source under its former name. Drop the table and run again, or rename the source.',
  ELT_TYPE_CHANGE:
    'Rows of a published table have values that the type now declared would change, or does not hold. Declare the former type, or load once with `write: replace`.',
  ELT_TOO_MANY_REJECTS:
    'More rows were refused than `max_rejected` allows. Nothing was changed; see plumbline.rejects.',
  ELT_ROW_COUNT:
    'The rows read, loaded, rejected, duplicate and outside of the interval do not add up; nothing is published.',
  ELT_LOAD_FENCED: 'Another attempt took over this load; this one ends without effect.',
  ELT_WRITER_STUCK: "A former attempt's connection did not end in time; the step is tried again.",
  ELT_PRIMARY_KEY_MISSING: '`write: merge` needs a primary key. Set `primary_key`.',
  ELT_RETRY_LOAD:
    'The rejected rows of a load cannot be retried: it is not in the table, or nothing of them was kept. The message says which.',
  ELT_RETRY_FILE:
    'A file of corrected rows is not what `plumbline rejects list --load N --csv` wrote. Nothing was changed.',
  ELT_MERGE_HISTORY: 'A table that `merge: scd2` made is to be loaded in another way, which would mix states and rows.',
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
  ELT_INCREMENT_INTERVAL:
    'The SELECT of an incremental table gives rows outside the interval that it was asked for. Restrict it to the interval.',
  ELT_KEY_REPEATED:
    'Two files that are appended, two of one interval, or two intervals of a database or an API have a row with the same primary key. Correct the files or load the former interval anew, set `write: merge`, or take `primary_key` out.',
  ELT_INTERVAL_OVERLAP:
    'An interval of a source meets one that was loaded with other bounds, or files that were loaded without an interval. Load an interval that holds it as a whole.',
  ELT_INTERVAL_ROWS:
    'A source gave rows outside of the interval that it was loaded for. Load the interval they are of, or set `outside_interval: ignore`.',
  ELT_INTERVAL_COLUMN:
    'The `interval_column` of a source holds no dates or times. Name another, or say its type in `columns`.',
  ELT_INTERVAL_COLUMN_CHANGED:
    'The rows of a table were sorted into intervals by another `interval_column`. Drop the table and load its intervals anew, or set the former column.',
  ELT_SQL_CYCLE: 'Transforms refer to each other in a circle; the path is named. Take one `ref` out.',
  ELT_SQL_DUPLICATE: 'Two SQL files give the same table. Rename one.',
  ELT_SELECT_UNKNOWN:
    '`--select` names a transform or a source that the project does not have, or an ephemeral one. Correct the name, or name what reads it.',
  ELT_TEST_FAILED: 'A data test found rows it forbids. The published table is untouched; correct data, SELECT or test.',
  ELT_TABLE_MISSING: 'A table that is to be tested or read is not published yet. Build it with `plumbline run`.',
  ELT_LINEAGE_UNREADABLE: 'This PostgreSQL keeps analysed queries in a form from which columns cannot be followed.',
  ELT_UNIT_TEST_INPUT:
    'A unit test gives no rows for a table that its SELECT reads, or gives rows for one that it does not read.',
  ELT_UNIT_TEST_TABLE:
    'The columns of an input of a unit test are those of a table that is not there yet. Run it once, or give `format: sql`.',
  ELT_UNIT_TEST_ROWS: 'Rows of a unit test do not fit their table: an unknown column, or a value of another type.',
  ELT_INCREMENT_KEY:
    'The SELECT of an incremental table gives a key twice, or a NULL in it. Make the key one that names each row.',
  ELT_INCREMENT_COLUMNS:
    'The SELECT of an incremental table gives other columns than the table has. Set `on_schema_change`, or build it whole with `--force`.',
  ELT_SNAPSHOT_ROWS: 'The SELECT of a snapshot gives a key twice, or a NULL in unique_key or updated_at.',
  ELT_SNAPSHOT_COLUMNS:
    'The columns of a snapshot do not fit: its header names one that is not there, a type changed, or the table is no snapshot.',
  ELT_SNAPSHOT_EMPTY:
    'The SELECT of a snapshot with `hard_deletes: invalidate` or `new_record` gave no row. `allow_empty: true` lets it end all of them.',
  ELT_SNAPSHOT_REPLACED:
    'A snapshot is to be built as another kind of table, which would lose its history. Rename the file or drop the table.',
  ELT_BUILD_FENCED: 'Another attempt took over this build; this one ends without effect.',
  FORGET_KEY_UNKNOWN: '`personal` in plumbline.yaml does not have the key that is to be forgotten.',
  FORGET_KEY_MALFORMED: '`plumbline forget --key` was not given a name and a value.',
  FORGET_OBJECT_CHANGED:
    'Something else stood for a raw object by the time it was rewritten without a person; the erasure is tried again.',
  FORGET_COLUMN_MISSING: 'A table has not got the column that `personal` names for it.',
} as const;
