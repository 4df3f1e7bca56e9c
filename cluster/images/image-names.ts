// The names of the test images. No registry has them (.test is reserved, RFC 6761): nodes get them from the image store.

const image = (name: string, tag: string): string => `keepmesh.test/${name}:${tag}`;

export const pauseImage = image("pause", "1");
/** busybox, the shared libraries of Node and Envoy, users 0, 1000 and 1337. */
export const baseImage = image("base", "1");
export const nodeImage = image("node", "26");
export const envoyImage = image("envoy", "1");
/** nft, iptables, ip, ss, tc, conntrack, keepalived, tcpdump, and Node. */
export const netImage = image("net", "1");
export const coreDnsImage = image("coredns", "1");
/** Node, Envoy and the network tools: what Keepmesh's image stands on. */
export const keepmeshBaseImage = image("keepmesh-base", "1");
/** Keepmesh from this checkout: only on nodes that it was loaded on. */
export const keepmeshImage = image("keepmesh", "dev");
