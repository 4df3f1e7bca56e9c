// Requests for a host that the chain does not serve, on a connection that was opened for another host: browsers reuse an
// HTTP/2 connection for every name its certificate covers. 421 tells them to open another; 404 would be shown to the user.

import type { MessageInitShape } from "@bufbuild/protobuf";
import type { LocalReplyConfigSchema } from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";

/** Undefined when the server takes any host. */
export function misdirectedReply(
	hosts: readonly string[],
): MessageInitShape<typeof LocalReplyConfigSchema> | undefined {
	if (hosts.length === 0 || hosts.includes("*")) return undefined;
	const names = hosts.map((host) => {
		const escaped = host.replace(/^\*/, "").replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
		return host.startsWith("*") ? `.+${escaped}` : escaped;
	});
	return {
		mappers: [
			{
				statusCode: 421,
				filter: {
					filterSpecifier: {
						case: "andFilter",
						value: {
							filters: [
								{ filterSpecifier: { case: "responseFlagFilter", value: { flags: ["NR"] } } },
								{
									filterSpecifier: {
										case: "headerFilter",
										value: {
											header: {
												name: ":authority",
												invertMatch: true,
												headerMatchSpecifier: {
													case: "stringMatch",
													value: {
														matchPattern: {
															case: "safeRegex",
															value: { regex: `(?i)(?:${names.join("|")})(?::[0-9]+)?` },
														},
													},
												},
											},
										},
									},
								},
							],
						},
					},
				},
			},
		],
	};
}
