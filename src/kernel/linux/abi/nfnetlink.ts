// Numbers of <linux/netfilter/nfnetlink.h>; the same on x86_64 and arm64. Numbers inside attributes are in network order.

export const NETLINK_NETFILTER = 12;

/** `struct nfgenmsg`, after the header: family 0 (u8), version 1 (u8), resource 2 (u16, network order). */
export const nfgenmsgBytes = 4;

/** A message's type is SUBSYSTEM << 8 | MESSAGE. */
export const NFNL_SUBSYS_CTNETLINK = 1;
export const NFNL_SUBSYS_NFTABLES = 10;

export const NFNL_MSG_BATCH_BEGIN = 0x10;
export const NFNL_MSG_BATCH_END = 0x11;

/** A group to be told of changes, by NETLINK_ADD_MEMBERSHIP. */
export const NFNLGRP_NFTABLES = 7;

export const NFPROTO_UNSPEC = 0;
export const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_IPV6 = 10;
