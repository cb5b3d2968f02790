import { BlockList, isIPv4, isIPv6 } from 'node:net';

/**
 * Whether an IP address is one of the public internet: not loopback, private, link-local, shared (RFC 6598), multicast,
 * documentation or a cloud's metadata. Of IPv6 only 2000::/3 is public, without the ranges that carry an IPv4 address
 * inside (6to4, Teredo). An IPv4-mapped address counts as its IPv4 address. False for anything that is no address.
 */
export function isPublicAddress(address: string): boolean {
  if (isIPv4(address)) return !RESERVED.check(address, 'ipv4');
  if (!isIPv6(address) || address.includes('%')) return false;
  if (MAPPED.check(address, 'ipv6')) return !RESERVED.check(address, 'ipv6');
  return GLOBAL.check(address, 'ipv6') && !RESERVED.check(address, 'ipv6');
}

// IANA's special-purpose registries (RFC 6890 and its updates), and 168.63.129.16, where Azure serves its hosts.
const RESERVED_IPV4 = [
  '0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '168.63.129.16/32', '169.254.0.0/16', '172.16.0.0/12',
  '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24',
  '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4',
]; // prettier-ignore
const RESERVED_IPV6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'];

/** Whether an IP address is link-local, or where a cloud tells its machines their credentials: no data is there. */
export function isMetadataAddress(address: string): boolean {
  const [plain = ''] = address.split('%');
  return isIPv4(plain) ? METADATA.check(plain, 'ipv4') : isIPv6(plain) && METADATA.check(plain, 'ipv6');
}

// Those of Amazon, Google and Oracle, and what leads to 169.254.0.0/16 by translation or 6to4.
const METADATA = blockList(
  ['169.254.0.0/16', '100.100.100.200/32', '168.63.129.16/32'],
  ['fe80::/10', 'fd00:ec2::254/128', 'fd20:ce::254/128', 'fd00:c1::a9fe:a9fe/128', '64:ff9b::a9fe:0/112', '2002:a9fe::/32'],
); // prettier-ignore

const RESERVED = blockList(RESERVED_IPV4, RESERVED_IPV6);
const GLOBAL = blockList([], ['2000::/3']);
const MAPPED = blockList([], ['::ffff:0:0/96']);

function blockList(ipv4: readonly string[], ipv6: readonly string[]): BlockList {
  const list = new BlockList();
  for (const [family, subnets] of [
    ['ipv4', ipv4],
    ['ipv6', ipv6],
  ] as const)
    // prettier-ignore
    for (const subnet of subnets) {
      const [network, prefix] = subnet.split('/');
      list.addSubnet(network!, Number(prefix), family);
    }
  return list;
}
