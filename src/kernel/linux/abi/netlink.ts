// Numbers of <linux/netlink.h>; the same on x86_64 and arm64.

export const NETLINK_ROUTE = 0;

/** `struct nlmsghdr`: length 0 (u32), type 4 (u16), flags 6 (u16), sequence 8 (u32), port 12 (u32). */
export const nlmsghdrBytes = 16;
/** `struct sockaddr_nl`: family 0 (u16), pad 2, port 4 (u32), groups 8 (u32). */
export const sockaddrNlBytes = 12;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_CAPPED = 0x100;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const SOL_NETLINK = 270;
export const NETLINK_ADD_MEMBERSHIP = 1;
export const NETLINK_CAP_ACK = 10;
export const NETLINK_EXT_ACK = 11;
export const NLMSGERR_ATTR_MSG = 1;

export const NLA_F_NESTED = 0x8000;
export const NLA_TYPE_MASK = 0x3fff;
