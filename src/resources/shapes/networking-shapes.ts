// Fields of the specs of Istio's other networking kinds, as in its networking.istio.io/v1 schemas.

import { choice, labels, list, port, someTexts, struct, text, texts } from "./shape.ts";
import {
	connectionPoolShape,
	destinationShape,
	listenerPortFields,
	serverTlsShape,
	trafficPolicyShape,
	workloadEntryFields,
} from "./traffic-policy-shapes.ts";

export const destinationRuleShape = struct(
	{
		host: text,
		trafficPolicy: trafficPolicyShape,
		subsets: list(struct({ name: text, labels, trafficPolicy: trafficPolicyShape }, "name")),
		exportTo: texts,
		workloadSelector: struct({ matchLabels: labels }),
	},
	"host",
);

export const gatewayShape = struct({
	selector: labels,
	servers: list(
		struct(
			{
				name: text,
				port: struct(listenerPortFields, "number", "protocol"),
				hosts: texts,
				bind: text,
				defaultEndpoint: text,
				tls: serverTlsShape,
			},
			"port",
			"hosts",
		),
	),
});

export const workloadEntryShape = struct(workloadEntryFields);

export const serviceEntryShape = struct(
	{
		hosts: someTexts,
		addresses: texts,
		ports: list(struct({ number: port, name: text, protocol: text, targetPort: port }, "number", "name")),
		location: choice("MESH_EXTERNAL", "MESH_INTERNAL"),
		resolution: choice("NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"),
		endpoints: list(struct(workloadEntryFields)),
		workloadSelector: struct({ labels }),
		exportTo: texts,
		subjectAltNames: texts,
	},
	"hosts",
);

const captureMode = choice("DEFAULT", "IPTABLES", "NONE");

export const sidecarShape = struct({
	workloadSelector: struct({ labels }),
	ingress: list(
		struct(
			{
				port: struct(listenerPortFields, "number"),
				bind: text,
				captureMode,
				defaultEndpoint: text,
				tls: serverTlsShape,
				connectionPool: connectionPoolShape,
			},
			"port",
		),
	),
	egress: list(
		struct(
			{
				hosts: texts,
				port: struct(listenerPortFields),
				bind: text,
				captureMode,
			},
			"hosts",
		),
	),
	inboundConnectionPool: connectionPoolShape,
	outboundTrafficPolicy: struct({ mode: choice("REGISTRY_ONLY", "ALLOW_ANY"), egressProxy: destinationShape }),
});
