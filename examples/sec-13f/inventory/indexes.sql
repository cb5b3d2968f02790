-- description: the index files to fetch; seeds/index_files.csv lists them
SELECT '{{ var("edgar") }}/Archives/' || path AS url, path AS index_file, kind
FROM {{ ref('index_files') }}
ORDER BY path
