// Answers that a workload's own proxy gives because the application is not there. They say in a header that another server may
// be asked without any harm; the caller's proxy tries again where a failed connection is among its reasons to, and takes the
// header off. Without it, 503 from the application and 503 for want of one look the same to the caller.
// https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/local_reply

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { AccessLogFilterSchema } from "./gen/envoy/config/accesslog/v3/accesslog_pb.ts";
import { HeaderValueOption_HeaderAppendAction } from "./gen/envoy/config/core/v3/base_pb.ts";
import type { LocalReplyConfigSchema } from "./gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";

/** `undelivered`: the application never saw the request. `interrupted`: perhaps, but asking twice changes nothing. */
export const undeliveredHeader = "x-keepmesh-undelivered";

type Filter = MessageInitShape<typeof AccessLogFilterSchema>;

/** UF: no connection to the application. UC, UR: it ended before an answer began. Overload (UO) is no reason to ask another. */
const hasFlag = (...flags: string[]): Filter => ({
	filterSpecifier: { case: "responseFlagFilter", value: { flags } },
});

/** The safe methods of RFC 9110, section 9.2.1. */
const isSafeMethod: Filter = {
	filterSpecifier: {
		case: "headerFilter",
		value: {
			header: {
				name: ":method",
				headerMatchSpecifier: {
					case: "stringMatch",
					value: { matchPattern: { case: "safeRegex", value: { regex: "GET|HEAD|OPTIONS" } } },
				},
			},
		},
	},
};

const marked = (filter: Filter, value: string) => ({
	filter,
	headersToAdd: [
		{
			header: { key: undeliveredHeader, value },
			appendAction: HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
		},
	],
});

/** For the connection managers that lead to the application. */
export const undeliveredReply: MessageInitShape<typeof LocalReplyConfigSchema> = {
	mappers: [
		marked(hasFlag("UF"), "undelivered"),
		marked(
			{ filterSpecifier: { case: "andFilter", value: { filters: [hasFlag("UC", "UR"), isSafeMethod] } } },
			"interrupted",
		),
	],
};
