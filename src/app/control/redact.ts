// Takes key material out of configuration that is going to be shown.

import type { JsonValue } from "@bufbuild/protobuf";
import { redactedText, redactKeySet } from "./redact-key-set.ts";

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

/** Key sets of token issuers. */
const keySetFields = new Set(["localJwks", "local_jwks"]);

export function redactSecrets(value: JsonValue, isSecret = false): JsonValue {
	if (Array.isArray(value)) return value.map((item) => redactSecrets(item, isSecret));
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(
		Object.entries(value).map(([field, inner]): [string, JsonValue] => {
			if (keySetFields.has(field)) return [field, withoutSecretKeys(inner)];
			if (isSecret && dataFields.has(field)) return [field, redactedText];
			return [field, redactSecrets(inner, isSecret || secretFields.has(field))];
		}),
	);
}

function withoutSecretKeys(source: JsonValue): JsonValue {
	if (typeof source !== "object" || source === null || Array.isArray(source)) return source;
	return Object.fromEntries(
		Object.entries(source).map(([field, text]): [string, JsonValue] => {
			if (!dataFields.has(field) || typeof text !== "string") return [field, text];
			// Bytes are written in base64, and are not ours.
			return [field, field.endsWith("ytes") ? redactedText : redactKeySet(text)];
		}),
	);
}
