// Filters' dynamic metadata -> the matchers of RBAC that read it: a verified token's claims, and what policies name with
// `experimental.envoy.filters.`.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type SourcedMetadata, SourcedMetadataSchema } from "../gen/envoy/config/rbac/v3/rbac_pb.ts";
import { MetadataMatcher_PathSegmentSchema, MetadataMatcherSchema } from "../gen/envoy/type/matcher/v3/metadata_pb.ts";
import type { StringMatcher } from "../gen/envoy/type/matcher/v3/string_pb.ts";
import { type ValueMatcher, ValueMatcherSchema } from "../gen/envoy/type/matcher/v3/value_pb.ts";

/** Envoy's jwt_authn puts the payload of a verified token there. */
const tokenFilter = "envoy.filters.http.jwt_authn";
const tokenPayload = "payload";

export function metadataCondition(filter: string, path: readonly string[], value: ValueMatcher): SourcedMetadata {
	return create(SourcedMetadataSchema, {
		metadataMatcher: create(MetadataMatcherSchema, { filter, path: path.map(keySegment), value }),
	});
}

/** A claim that is a text. */
export function claimText(claim: string, text: StringMatcher): SourcedMetadata {
	return metadataCondition(tokenFilter, [tokenPayload, claim], textValue(text));
}

/** A claim, or one inside of others, that is a text or a list with such a text. */
export function claimTextOrList(claims: readonly string[], text: StringMatcher): SourcedMetadata {
	return metadataCondition(tokenFilter, [tokenPayload, ...claims], textOrList(text));
}

export function textValue(text: StringMatcher): ValueMatcher {
	return valueMatcher({ matchPattern: { case: "stringMatch", value: text } });
}

export function listWith(text: StringMatcher): ValueMatcher {
	const oneOf = textValue(text);
	return valueMatcher({
		matchPattern: { case: "listMatch", value: { matchPattern: { case: "oneOf", value: oneOf } } },
	});
}

function textOrList(text: StringMatcher): ValueMatcher {
	return valueMatcher({
		matchPattern: { case: "orMatch", value: { valueMatchers: [listWith(text), textValue(text)] } },
	});
}

function valueMatcher(init: MessageInitShape<typeof ValueMatcherSchema>): ValueMatcher {
	return create(ValueMatcherSchema, init);
}

function keySegment(key: string) {
	return create(MetadataMatcher_PathSegmentSchema, { segment: { case: "key", value: key } });
}
