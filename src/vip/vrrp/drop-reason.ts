// Why a packet was dropped. Each dropped packet has one reason, which is the metric's label as well; where keepalived has a
// counter for it, the name is keepalived's.

export const dropReasons = {
	family_err: "an IPv6 packet for an IPv4 instance, or the reverse",
	ip_proto_err: "the IP protocol is not 112 (or 51 before it where AH is configured)",
	own_source: "the source is this machine's own address: a loop, or two machines with one address",
	packet_len_err: "shorter than a header, or its length does not fit the count of addresses",
	vrid_err: "the virtual router id is 0 or nobody's here",
	vers_err: "another version of VRRP",
	invalid_type_rcvd: "not an advertisement",
	unicast_multicast_err: "unicast where multicast is configured, or the reverse",
	ip_ttl_err: "the TTL or hop limit is not 255, or outside what is set for that peer",
	unknown_peer: "the source is not one of the configured peers",
	addr_count_err: "it carries no address",
	chk_err: "the checksum is wrong",
	invalid_authtype: "an authentication type that does not exist",
	authtype_mismatch: "another authentication type than configured",
	auth_failure: "a wrong password, or a wrong or repeated authentication header",
	auth_ext_missing: "no HMAC trailer where one is demanded",
	auth_ext_malformed: "an HMAC trailer of another form",
	auth_ext_unknown_key: "an HMAC key id that is not configured",
	auth_ext_invalid_hmac: "a wrong HMAC",
	auth_ext_stale: "an HMAC trailer whose time is outside the window",
	auth_ext_replay: "an HMAC trailer that was seen before",
	advert_interval_err: "another interval than configured (version 2)",
	advert_interval_zero: "an interval of 0 (version 3)",
} as const satisfies Record<string, string>;

export type DropReason = keyof typeof dropReasons;
