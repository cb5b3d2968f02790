import { lookup } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { TerminalError } from '../../errors.js';
import { parseS3 } from '../../s3/location.js';
import { openBucket, type BucketOptions, type S3Bucket } from '../../s3/open-bucket.js';
import { isPublicAddress } from '../http/public-address.js';
import { openSecrets } from '../http/secrets.js';
import type { ExtractOptions } from './extract-files.js';

/**
 * The bucket of a resource, opened with the credentials that plumbline.yaml refers to. An `endpoint` of the project may only lead to the
 * public internet unless `allow_private` says otherwise. Throws `ELT_SECRET_MISSING`, `ELT_HTTP_ADDRESS_REFUSED` (terminal).
 */
export async function resourceBucket({
  resource,
  root,
  environment = process.env,
}: Pick<ExtractOptions, 'resource' | 'root' | 'environment'>): Promise<S3Bucket> {
  const { endpoint, region, pathStyle, profile } = resource.s3 ?? {};
  const isGuarded = endpoint !== undefined && resource.allowPrivate !== true;
  if (isGuarded) refusePrivate(new URL(endpoint).hostname, endpoint);
  return openBucket({
    bucket: parseS3(resource.path).bucket,
    endpoint,
    region,
    pathStyle,
    profile,
    credentials: await credentialsOf(resource.s3, environment, root),
    doing: `Reading ${resource.id}`,
    ...(isGuarded && { lookup: guardedLookup(endpoint) }),
  });
}

async function credentialsOf(
  s3: ExtractOptions['resource']['s3'],
  environment: NodeJS.ProcessEnv,
  root: string,
): Promise<BucketOptions['credentials']> {
  if (s3?.isAnonymous === true) return 'anonymous';
  if (s3?.credentials === undefined) return undefined;
  const secrets = openSecrets(environment, root);
  const { accessKeyId, secretAccessKey, sessionToken } = s3.credentials;
  return {
    accessKeyId: await secrets.valueOf(accessKeyId),
    secretAccessKey: await secrets.valueOf(secretAccessKey),
    ...(sessionToken !== undefined && { sessionToken: await secrets.valueOf(sessionToken) }),
  };
}

function guardedLookup(endpoint: string): LookupFunction {
  return (host, options, found) =>
    lookup(host, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return found(error, []);
      try {
        for (const { address } of addresses) refusePrivate(address, endpoint);
      } catch (refused) {
        return found(refused as Error, []);
      }
      if (options.all === true) return found(null, addresses);
      return found(null, addresses[0]!.address, addresses[0]!.family);
    });
}

/** Of a name this says nothing: its addresses are checked when they are known. */
function refusePrivate(host: string, endpoint: string): void {
  const address = host.replace(/^\[(.*)\]$/, '$1');
  if (isIP(address) === 0 || isPublicAddress(address)) return;
  throw new TerminalError(
    'ELT_HTTP_ADDRESS_REFUSED',
    `Reaching ${endpoint} was refused: it is ${address}, which is no address of the public internet.`,
    {
      details: { endpoint, address },
      next: 'If the server is your own, set `allow_private: true` at its source in plumbline.yaml.',
    },
  );
}
