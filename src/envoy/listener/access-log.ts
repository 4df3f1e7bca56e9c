// Mesh settings -> access loggers. Off by default, as in Istio; the default text format is the one Istio's users read.

import { create, type JsonObject, type MessageInitShape } from "@bufbuild/protobuf";
import type { MeshSettings } from "../../model/mesh-settings.ts";
import { packAny } from "../encode-resource.ts";
import {
	type AccessLog,
	type AccessLogFilter,
	AccessLogFilterSchema,
	AccessLogSchema,
} from "../gen/envoy/config/accesslog/v3/accesslog_pb.ts";
import { FileAccessLogSchema } from "../gen/envoy/extensions/access_loggers/file/v3/file_pb.ts";
import {
	StderrAccessLogSchema,
	StdoutAccessLogSchema,
} from "../gen/envoy/extensions/access_loggers/stream/v3/stream_pb.ts";

const fields: readonly (readonly [string, string])[] = [
	["start_time", "%START_TIME%"],
	["method", "%REQ(:METHOD)%"],
	["path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"],
	["protocol", "%PROTOCOL%"],
	["response_code", "%RESPONSE_CODE%"],
	["response_flags", "%RESPONSE_FLAGS%"],
	["response_code_details", "%RESPONSE_CODE_DETAILS%"],
	["connection_termination_details", "%CONNECTION_TERMINATION_DETAILS%"],
	["upstream_transport_failure_reason", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"],
	["bytes_received", "%BYTES_RECEIVED%"],
	["bytes_sent", "%BYTES_SENT%"],
	["duration", "%DURATION%"],
	["upstream_service_time", "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%"],
	["x_forwarded_for", "%REQ(X-FORWARDED-FOR)%"],
	["user_agent", "%REQ(USER-AGENT)%"],
	["request_id", "%REQ(X-REQUEST-ID)%"],
	["authority", "%REQ(:AUTHORITY)%"],
	["upstream_host", "%UPSTREAM_HOST%"],
	["upstream_cluster", "%UPSTREAM_CLUSTER_RAW%"],
	["upstream_local_address", "%UPSTREAM_LOCAL_ADDRESS%"],
	["downstream_local_address", "%DOWNSTREAM_LOCAL_ADDRESS%"],
	["downstream_remote_address", "%DOWNSTREAM_REMOTE_ADDRESS%"],
	["requested_server_name", "%REQUESTED_SERVER_NAME%"],
	["route_name", "%ROUTE_NAME%"],
];

const quoted = new Set([
	"upstream_transport_failure_reason",
	"x_forwarded_for",
	"user_agent",
	"request_id",
	"authority",
	"upstream_host",
]);

/** `[time] "GET /path HTTP/1.1" 200 - ...`: request line in quotes, then one field after the other. */
export const defaultTextFormat = `[%START_TIME%] "${["method", "path", "protocol"].map(fieldFormat).join(" ")}" ${fields
	.slice(4)
	.map(([name, format]) => (quoted.has(name) ? `"${format}"` : format))
	.join(" ")}\n`;

function fieldFormat(name: string): string {
	return fields.find(([field]) => field === name)?.[1] ?? "-";
}

const remembered = new WeakMap<MeshSettings, readonly AccessLog[]>();

/** Loggers of HTTP and TCP filters; none when the mesh names no file. */
export function accessLogs(mesh: MeshSettings): AccessLog[] {
	let logs = remembered.get(mesh);
	if (!logs) {
		logs = mesh.accessLogFile === "" ? [] : [fileAccessLog(mesh)];
		remembered.set(mesh, logs);
	}
	return [...logs];
}

const noFilterChain: AccessLogFilter = create(AccessLogFilterSchema, {
	filterSpecifier: { case: "responseFlagFilter", value: { flags: ["NR"] } },
});

/** Loggers of a listener itself: only connections that found no filter chain, which no filter would log. */
export function listenerAccessLogs(mesh: MeshSettings): AccessLog[] {
	return accessLogs(mesh).map((log) =>
		create(AccessLogSchema, { name: log.name, configType: log.configType, filter: noFilterChain }),
	);
}

function fileAccessLog(mesh: MeshSettings): AccessLog {
	const format =
		mesh.accessLogEncoding === "JSON"
			? ({ case: "jsonFormat", value: jsonFormat(mesh.accessLogFormat) } as const)
			: ({
					case: "textFormatSource",
					value: { specifier: { case: "inlineString", value: mesh.accessLogFormat || defaultTextFormat } },
				} as const);
	const config = { accessLogFormat: { case: "logFormat", value: { format } } } as const;
	return create(
		AccessLogSchema,
		standardStream(mesh.accessLogFile, config) ?? {
			name: "envoy.access_loggers.file",
			configType: {
				case: "typedConfig",
				value: packAny(FileAccessLogSchema, { path: mesh.accessLogFile, ...config }),
			},
		},
	);
}

/** By descriptor rather than by path: /dev/stdout cannot be opened where the supervisor reads it through a socket. */
function standardStream(
	path: string,
	config: Pick<MessageInitShape<typeof StdoutAccessLogSchema>, "accessLogFormat">,
): MessageInitShape<typeof AccessLogSchema> | undefined {
	if (path === "/dev/stdout") {
		const value = packAny(StdoutAccessLogSchema, config);
		return { name: "envoy.access_loggers.stdout", configType: { case: "typedConfig", value } };
	}
	if (path === "/dev/stderr") {
		const value = packAny(StderrAccessLogSchema, config);
		return { name: "envoy.access_loggers.stderr", configType: { case: "typedConfig", value } };
	}
	return undefined;
}

/** The user's JSON object; a text that is none falls back to the default fields rather than stop all logging. */
function jsonFormat(text: string): JsonObject {
	try {
		const parsed: unknown = JSON.parse(text);
		if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return parsed as JsonObject;
	} catch {
		// Falls through to the default.
	}
	return Object.fromEntries(fields);
}
