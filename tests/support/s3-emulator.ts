import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Stored {
  readonly content: Buffer;
  readonly etag: string;
  readonly modified: Date;
  readonly sha256: string | undefined;
}

interface Upload {
  readonly key: string;
  readonly started: Date;
  readonly parts: Map<number, Buffer>;
}

/** What S3 does for one bucket, from its API reference: signatures, pages, ranges, conditions, multipart uploads. */
export async function startEmulator(options: {
  readonly bucket: string;
  /** Keys in one page of a listing; 1,000 at Amazon. */
  readonly pageKeys: number;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}): Promise<{ endpoint: string; close(): Promise<void> }> {
  const objects = new Map<string, Stored>();
  const uploads = new Map<string, Upload>();
  const server = createServer((request, response) => {
    void handle(request, response).catch((error: unknown) => refuse(response, 500, 'InternalError', String(error)));
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'http://s3');
    const body = await bodyOf(request);
    const denied = wrongSignature(request, url, body, options);
    if (denied !== undefined) return refuse(response, 403, denied);
    const [, bucket, ...rest] = url.pathname.split('/');
    const key = decodeURIComponent(rest.join('/'));
    const query = url.searchParams;
    if (bucket !== options.bucket) return refuse(response, 404, 'NoSuchBucket');
    if (key === '' && query.has('uploads')) return listUploads(response, query.get('prefix') ?? '');
    if (key === '') return request.method === 'GET' ? list(response, query) : void response.writeHead(200).end();
    const upload = query.get('uploadId') ?? '';
    if (request.method === 'POST' && query.has('uploads')) {
      const id = String(uploads.size + 1);
      uploads.set(id, { key, started: new Date(), parts: new Map() });
      return xml(response, `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`);
    }
    if (request.method === 'POST') {
      const parts = [...uploads.get(upload)!.parts].sort(([one], [other]) => one - other).map(([, content]) => content);
      uploads.delete(upload);
      objects.set(key, { ...stored(Buffer.concat(parts)), sha256: undefined });
      return xml(response, `<CompleteMultipartUploadResult><ETag>${objects.get(key)!.etag}</ETag></CompleteMultipartUploadResult>`);
    } // prettier-ignore
    if (request.method === 'DELETE') {
      if (upload === '') objects.delete(key);
      else uploads.delete(upload);
      return void response.writeHead(204).end();
    }
    if (request.method === 'GET' && upload !== '') {
      const sizes = [...uploads.get(upload)!.parts].map(([number, { length }]) => `<Part><PartNumber>${number}</PartNumber><Size>${length}</Size></Part>`); // prettier-ignore
      return xml(response, `<ListPartsResult>${sizes.join('')}</ListPartsResult>`);
    }
    if (request.method === 'PUT') {
      if (upload !== '') uploads.get(upload)!.parts.set(Number(query.get('partNumber')), body);
      else if (request.headers['if-none-match'] === '*' && objects.has(key))
        return refuse(response, 412, 'PreconditionFailed');
      const declared = request.headers['x-amz-checksum-sha256'];
      const object = stored(body);
      if (declared !== undefined && declared !== object.sha256) return refuse(response, 400, 'BadDigest');
      if (upload === '') objects.set(key, { ...object, sha256: declared });
      return void response.writeHead(200, { etag: object.etag }).end();
    }
    const object = objects.get(key);
    if (object === undefined) return refuse(response, 404, 'NoSuchKey', '', request.method === 'HEAD');
    const { 'if-match': match, range, 'x-amz-checksum-mode': mode } = request.headers;
    if (match !== undefined && match !== object.etag) return refuse(response, 412, 'PreconditionFailed');
    const [, from] = /^bytes=(\d+)-/.exec(range ?? '') ?? [];
    const content = object.content.subarray(Number(from ?? 0));
    response.writeHead(from === undefined ? 200 : 206, {
      etag: object.etag,
      'content-length': content.length,
      'last-modified': object.modified.toUTCString(),
      ...(from !== undefined && { 'content-range': `bytes ${from}-${object.content.length - 1}/${object.content.length}` }),
      ...(mode === 'ENABLED' && from === undefined && object.sha256 && { 'x-amz-checksum-sha256': object.sha256 }),
    }); // prettier-ignore
    return void response.end(request.method === 'HEAD' ? undefined : content);
  }

  function list(response: ServerResponse, query: URLSearchParams): void {
    const after = query.get('continuation-token') ?? '';
    const prefix = query.get('prefix') ?? '';
    const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && key > after).sort();
    const page = keys.slice(0, options.pageKeys);
    const entries = page.map((key) => {
      const { content, etag, modified } = objects.get(key)!;
      return `<Contents><Key>${encodeURIComponent(key).replaceAll('%20', '+').replaceAll('%2F', '/')}</Key><LastModified>${modified.toISOString()}</LastModified><ETag>${etag.replaceAll('"', '&quot;')}</ETag><Size>${content.length}</Size></Contents>`;
    });
    const isTruncated = keys.length > page.length;
    const token = isTruncated ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : '';
    xml(response, `<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>${isTruncated}</IsTruncated>${token}${entries.join('')}</ListBucketResult>`); // prettier-ignore
  }

  function listUploads(response: ServerResponse, prefix: string): void {
    const found = [...uploads].filter(([, { key }]) => key.startsWith(prefix));
    const entries = found.map(([id, { key, started }]) => `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${started.toISOString()}</Initiated></Upload>`); // prettier-ignore
    xml(
      response,
      `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${entries.join('')}</ListMultipartUploadsResult>`,
    );
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function stored(content: Buffer): Stored {
  const modified = new Date(Math.floor(Date.now() / 1000) * 1000);
  const etag = `"${createHash('md5').update(content).digest('hex')}"`;
  return { content, etag, modified, sha256: createHash('sha256').update(content).digest('base64') };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Signature Version 4 as https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html describes it. */
function wrongSignature(
  request: IncomingMessage,
  url: URL,
  body: Buffer,
  { accessKeyId, secretAccessKey }: { readonly accessKeyId: string; readonly secretAccessKey: string },
): string | undefined {
  const given = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=(\w+)$/.exec(
    request.headers.authorization ?? '',
  );
  if (given === null) return 'AccessDenied';
  const [, id = '', scope = '', names = '', signature = ''] = given;
  if (id !== accessKeyId) return 'InvalidAccessKeyId';
  const payload = String(request.headers['x-amz-content-sha256']);
  if (/^[0-9a-f]{64}$/.test(payload) && payload !== sha256(body)) return 'XAmzContentSHA256Mismatch';
  const encode = (text: string): string =>
    encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
  const query = [...url.searchParams].map(([name, value]) => `${encode(name)}=${encode(value)}`).sort();
  const headers = names.split(';').map((name) => `${name}:${String(request.headers[name]).trim()}\n`);
  const canonical = [request.method, url.pathname, query.join('&'), headers.join(''), names, payload].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, sha256(Buffer.from(canonical))].join('\n');
  const key = scope.split('/').reduce<Buffer>(hmac, Buffer.from(`AWS4${secretAccessKey}`));
  return hmac(key, toSign).toString('hex') === signature ? undefined : 'SignatureDoesNotMatch';
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function xml(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': 'application/xml' }).end(`<?xml version="1.0" encoding="UTF-8"?>${body}`);
}

function refuse(response: ServerResponse, status: number, code: string, message = '', isHead = false): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(isHead ? undefined : `<Error><Code>${code}</Code><Message>${message}</Message></Error>`);
}
