// Takes key material out of configuration that is going to be shown.

import type { JsonValue } from "@bufbuild/protobuf";

export const redactedText = "[redacted]";

/** Fields of Envoy's messages, in either spelling, whose data sources hold something secret. */
const secretFields = new Set([
	"privateKey",
	"private_key",
	"pkcs12",
	"password",
	"sessionTicketKeys",
	"session_ticket_keys",
	"genericSecret",
	"generic_secret",
]);

const dataFields = new Set(["inlineBytes", "inline_bytes", "inlineString", "inline_string"]);

export function redactSecrets(value: JsonValue, isSecret = false): JsonValue {
	if (Array.isArray(value)) return value.map((item) => redactSecrets(item, isSecret));
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(
		Object.entries(value).map(([field, inner]): [string, JsonValue] => {
			if (isSecret && dataFields.has(field)) return [field, redactedText];
			return [field, redactSecrets(inner, isSecret || secretFields.has(field))];
		}),
	);
}
