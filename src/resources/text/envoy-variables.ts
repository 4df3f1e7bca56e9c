// Envoy's variables (`%REQ(x-a)%`, its command operators) in a text: which of them the Envoy that is used knows, and the text
// with everything else made literal, since Envoy refuses the whole route table for one variable that it does not know.

const noParameters = (
	"ACCESS_LOG_TYPE BYTES_RECEIVED BYTES_RETRANSMITTED BYTES_SENT CONNECTION_ID CONNECTION_TERMINATION_DETAILS " +
	"DOWNSTREAM_DETECTED_CLOSE_TYPE DOWNSTREAM_DIRECT_LOCAL_ADDRESS DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT " +
	"DOWNSTREAM_DIRECT_LOCAL_PORT DOWNSTREAM_DIRECT_REMOTE_ADDRESS DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT " +
	"DOWNSTREAM_DIRECT_REMOTE_PORT DOWNSTREAM_HANDSHAKE_DURATION DOWNSTREAM_HEADER_BYTES_RECEIVED " +
	"DOWNSTREAM_HEADER_BYTES_SENT DOWNSTREAM_LOCAL_ADDRESS DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT DOWNSTREAM_LOCAL_DNS_SAN " +
	"DOWNSTREAM_LOCAL_IP_SAN DOWNSTREAM_LOCAL_PORT DOWNSTREAM_LOCAL_SUBJECT DOWNSTREAM_LOCAL_URI_SAN DOWNSTREAM_PEER_CERT " +
	"DOWNSTREAM_PEER_CERT_V_END DOWNSTREAM_PEER_CERT_V_START DOWNSTREAM_PEER_DNS_SAN DOWNSTREAM_PEER_FINGERPRINT_1 " +
	"DOWNSTREAM_PEER_FINGERPRINT_256 DOWNSTREAM_PEER_IP_SAN DOWNSTREAM_PEER_ISSUER DOWNSTREAM_PEER_SERIAL " +
	"DOWNSTREAM_PEER_SUBJECT DOWNSTREAM_PEER_URI_SAN DOWNSTREAM_REMOTE_ADDRESS DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT " +
	"DOWNSTREAM_REMOTE_PORT DOWNSTREAM_TLS_CIPHER DOWNSTREAM_TLS_SESSION_ID DOWNSTREAM_TLS_VERSION " +
	"DOWNSTREAM_TRANSPORT_FAILURE_REASON DOWNSTREAM_WIRE_BYTES_RECEIVED DOWNSTREAM_WIRE_BYTES_SENT DURATION EMIT_TIME " +
	"FILTER_CHAIN_NAME HOSTNAME LOCAL_REPLY_BODY PROTOCOL REQUESTED_SERVER_NAME REQUEST_DURATION REQUEST_TX_DURATION " +
	"RESPONSE_CODE RESPONSE_CODE_DETAILS RESPONSE_DURATION RESPONSE_FLAGS RESPONSE_FLAGS_LONG RESPONSE_TX_DURATION " +
	"ROUTE_NAME START_TIME STREAM_ID UNIQUE_ID TRACE_ID SPAN_ID UPSTREAM_CLUSTER UPSTREAM_CLUSTER_RAW UPSTREAM_CONNECTION_ID " +
	"UPSTREAM_HOST UPSTREAM_HOST_NAME UPSTREAM_LOCAL_ADDRESS UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT UPSTREAM_LOCAL_PORT " +
	"UPSTREAM_PEER_CERT UPSTREAM_PEER_ISSUER UPSTREAM_PEER_SUBJECT UPSTREAM_PROTOCOL UPSTREAM_REMOTE_ADDRESS " +
	"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT UPSTREAM_REMOTE_PORT UPSTREAM_REQUEST_ATTEMPT_COUNT UPSTREAM_TLS_CIPHER " +
	"UPSTREAM_TLS_SESSION_ID UPSTREAM_TLS_VERSION UPSTREAM_TRANSPORT_FAILURE_REASON VIRTUAL_CLUSTER_NAME"
).split(" ");

const name = "[A-Za-z0-9_-]+";
const header = `:?${name}`;
const metadata = "[A-Za-z0-9_.-]+(?::[A-Za-z0-9_./-]+)*";
const variables = [
	`(?:${noParameters.join("|")})`,
	`(?:REQ|RESP|TRAILER)\\(${header}(?:\\?${header})?\\)(?::[0-9]{1,5})?`,
	`(?:DYNAMIC_METADATA|CLUSTER_METADATA|UPSTREAM_METADATA)\\(${metadata}\\)(?::[0-9]{1,5})?`,
	`FILTER_STATE\\([A-Za-z0-9_./-]+(?::(?:PLAIN|TYPED))?\\)(?::[0-9]{1,5})?`,
	`ENVIRONMENT\\(${name}\\)(?::[0-9]{1,5})?`,
	// strftime's letters, and Envoy's fractions of a second.
	`START_TIME\\((?:%(?:[YmdHMSsFTzZjabABe]|[1-9]f|f)|[A-Za-z0-9 :./,_-])+\\)`,
].join("|");

/** A doubled %, a variable that Envoy knows, something in the form of a variable, or any other %. */
const part = new RegExp(`%%|%(?:${variables})%|(%[A-Za-z_][A-Za-z0-9_]*(?:\\([^)]*\\))?(?::[0-9]+)?%)|(%)`, "g");

export interface ForEnvoy {
	/** The text with what Envoy does not know made literal. */
	readonly text: string;
	/** What has the form of a variable and is none: `%NOPE%`. */
	readonly unknown: readonly string[];
	/** A % stands for itself though it is not doubled. */
	readonly hasLonePercent: boolean;
}

export function envoyVariablesIn(text: string): ForEnvoy {
	const unknown: string[] = [];
	let hasLonePercent = false;
	const literal = text.replace(part, (found, other: string | undefined, lone: string | undefined) => {
		if (other !== undefined) unknown.push(other);
		if (lone !== undefined) hasLonePercent = true;
		return other === undefined && lone === undefined ? found : found.replaceAll("%", "%%");
	});
	return { text: literal, unknown, hasLonePercent };
}

/** For the test that asks Envoy: every variable without parameters. */
export const variablesWithoutParameters: readonly string[] = noParameters;
