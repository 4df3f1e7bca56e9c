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

/** Key sets of token issuers are public but for symmetric keys (`oct`, RFC 7518 section 6.4). */
const keySetFields = new Set(["localJwks", "local_jwks"]);

export function redactSecrets(value: JsonValue, isSecret = false): JsonValue {
	if (Array.isArray(value)) return value.map((item) => redactSecrets(item, isSecret));
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(
		Object.entries(value).map(([field, inner]): [string, JsonValue] => {
			if (keySetFields.has(field)) return [field, withoutSymmetricKeys(inner)];
			if (isSecret && dataFields.has(field)) return [field, redactedText];
			return [field, redactSecrets(inner, isSecret || secretFields.has(field))];
		}),
	);
}

function withoutSymmetricKeys(source: JsonValue): JsonValue {
	if (typeof source !== "object" || source === null || Array.isArray(source)) return source;
	return Object.fromEntries(
		Object.entries(source).map(([field, text]): [string, JsonValue] => {
			if (typeof text !== "string" || !/"oct"/.test(text)) return [field, text];
			return [field, text.replace(/("k"\s*:\s*)"[^"]*"/g, `$1"${redactedText}"`)];
		}),
	);
}
