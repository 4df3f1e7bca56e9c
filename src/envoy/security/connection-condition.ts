// Addresses and headers of a policy -> Envoy's matchers, which permissions and principals share.

import { create } from "@bufbuild/protobuf";
import { type CidrRange, CidrRangeSchema } from "../gen/envoy/config/core/v3/address_pb.ts";
import { type HeaderMatcher, HeaderMatcherSchema } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import type { StringMatcher } from "../gen/envoy/type/matcher/v3/string_pb.ts";
import { parseAddressRange } from "../listener/address-range.ts";

export function addressCondition(text: string): CidrRange | undefined {
	const range = parseAddressRange(text);
	return range && create(CidrRangeSchema, { addressPrefix: range.addressPrefix, prefixLen: range.prefixLen });
}

export function headerCondition(name: string, text: StringMatcher | "present"): HeaderMatcher {
	return create(HeaderMatcherSchema, {
		name,
		headerMatchSpecifier:
			text === "present" ? { case: "presentMatch", value: true } : { case: "stringMatch", value: text },
	});
}
