// Numbers of <sys/socket.h>, <netinet/in.h> and <asm-generic/socket.h>; the same on x86_64 and arm64.

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const AF_PACKET = 17;

export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;

export const MSG_DONTWAIT = 0x40;

export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_PRIORITY = 12;
export const SO_RCVTIMEO = 20;
export const SO_BINDTODEVICE = 25;
export const SO_ATTACH_FILTER = 26;
/** Beyond the limits of the system, for CAP_NET_ADMIN. */
export const SO_SNDBUFFORCE = 32;
export const SO_RCVBUFFORCE = 33;

/** Of <linux/pkt_sched.h>: ahead of other packets. */
export const TC_PRIO_CONTROL = 7;

export const IPPROTO_IP = 0;
export const IP_TOS = 1;
export const IP_TTL = 2;
export const IP_MTU_DISCOVER = 10;
export const IP_PMTUDISC_DONT = 0;
export const IP_HDRINCL = 3;
export const IP_FREEBIND = 15;
export const IP_MULTICAST_IF = 32;
export const IP_MULTICAST_TTL = 33;
export const IP_MULTICAST_LOOP = 34;
export const IP_ADD_MEMBERSHIP = 35;
export const IP_MULTICAST_ALL = 49;
/** Internetwork control, as routing protocols mark their packets. */
export const IPTOS_PREC_INTERNETCONTROL = 0xc0;

export const IPPROTO_IPV6 = 41;
export const IPV6_UNICAST_HOPS = 16;
export const IPV6_MULTICAST_IF = 17;
export const IPV6_MULTICAST_HOPS = 18;
export const IPV6_MULTICAST_LOOP = 19;
export const IPV6_ADD_MEMBERSHIP = 20;
export const IPV6_V6ONLY = 26;
export const IPV6_MULTICAST_ALL = 29;
export const IPV6_RECVPKTINFO = 49;
export const IPV6_PKTINFO = 50;
export const IPV6_RECVHOPLIMIT = 51;
export const IPV6_HOPLIMIT = 52;
export const IPV6_TCLASS = 67;
export const IPV6_FREEBIND = 78;

/** `struct sockaddr_in`: family 0 (u16), port 2 (network order), address 4. */
export const sockaddrInBytes = 16;
/** `struct sockaddr_in6`: family 0, port 2, flow 4, address 8, scope 24. */
export const sockaddrIn6Bytes = 28;

/** `struct msghdr` of 64-bit machines: name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48. */
export const msghdrBytes = 56;
/** `struct cmsghdr`: len 0 (u64), level 8, type 12, data 16; the next begins at a multiple of 8. */
export const cmsghdrBytes = 16;
