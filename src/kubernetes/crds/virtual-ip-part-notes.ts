// What VirtualIP and VirtualIPPool have in common: checks, authentication, lease.

import { type FieldNotes, under } from "./field-notes.ts";

const oneOf = [
	...["script", "file", "process", "interface", "route", "tcp", "http", "grpc", "envoyReady", "controlReady"],
	"apiServer",
];

export const authenticationNotes: FieldNotes = {
	authentication: {
		says: "Proof that an advert comes from one of the nodes.",
		rules: [
			{
				rule: "has(self.secretName) != has(self.keyFile)",
				message: "one of secretName and keyFile says where the key is",
			},
		],
	},
	"authentication.type": "hmac; in version 2 also pass (clear text, 8 bytes) and ah.",
	"authentication.secretName": "A Secret of the same namespace with the key `key`.",
	"authentication.keyFile": "A file on the node whose first line is the key.",
};

export const leaseNotes: FieldNotes = {
	lease: "A Lease advises who claims the addresses first; it never takes them from a healthy owner.",
	"lease.name": "Of the Lease.",
	"lease.namespace": "Default: the resource's.",
	"lease.directory": "Where there is no Kubernetes: a directory that the nodes share.",
	"lease.duration": "Whole seconds. Default 15s, or 5s of one that decides; the owner renews at a third of it.",
	"lease.maxDelay": "Most by which a claim waits for the holder. Default 1s.",
	"lease.role": "advises: beside VRRP, the default. decides: instead of it; the holder has the addresses.",
	"lease.whenUnreachable":
		"Of one that decides, when it cannot be renewed: keep until another answers (the default), or release.",
};

export const checkNotes: FieldNotes = {
	checks: { says: "What must be well on a node for it to hold the addresses.", maxItems: 64 },
	"checks[]": {
		rules: [
			{
				rule: `[${oneOf.map((field) => `has(self.${field})`).join(", ")}].filter(b, b).size() == 1`,
				message: `set one of ${oneOf.join(", ")}`,
			},
		],
	},
	"checks[].name": { says: "Unique in this resource.", maxLength: 253 },
	"checks[].script": "A command; its exit code says how it is.",
	"checks[].script.command": "Program and arguments.",
	"checks[].script.user": "Who runs it. Default: keepalived_script, or root where there is none.",
	"checks[].script.group": "Default: the user's.",
	"checks[].file": "A number in a file is the weight.",
	"checks[].file.path": "Absolute.",
	"checks[].file.initial": "Written into it at the start, when it is not there.",
	"checks[].file.overwrites": "Written into it at the start also when it is there.",
	...under("checks[].process", {
		"": "A process must run.",
		name: "Of the program.",
		arguments: "It must have been started with these.",
		argumentMatch: "How arguments are compared. Default exact.",
		fullCommand: "The whole command line is looked at. Default false.",
		quorum: "So many must run. Default 1.",
		quorumMax: "And no more than that.",
		delay: "How long it must be so before it counts.",
		terminateDelay: "How long it may be gone before that counts.",
	}),
	"checks[].interface": "The link of this name must be up.",
	"checks[].route": "This must be in the routing table.",
	"checks[].tcp": "A connection must be accepted.",
	"checks[].tcp.host": "Default 127.0.0.1.",
	"checks[].tcp.port": "The port.",
	"checks[].http": "A request must be answered with a status below 400.",
	"checks[].http.url": "http:// or https://",
	"checks[].http.insecure": "Any certificate will do. Default false.",
	"checks[].grpc": "gRPC's health service must say SERVING.",
	"checks[].grpc.host": "Default 127.0.0.1.",
	"checks[].grpc.port": "The port.",
	"checks[].grpc.service": "Whose health is asked for. Default: the server's.",
	"checks[].envoyReady": "The node's Envoy answers /healthz/ready.",
	"checks[].envoyReady.port": "Default 15021.",
	"checks[].controlReady": "The node's control plane answers /readyz.",
	"checks[].controlReady.port": "Default 15014.",
	"checks[].apiServer": "The node's Kubernetes API server answers /livez.",
	"checks[].apiServer.port": "Default 6443.",
	"checks[].interval": "Between two checks. Default 50ms for probes, 1s for scripts.",
	"checks[].timeout": "Default 250ms for probes, the interval for scripts.",
	"checks[].rise": "So many good results in a row make it good. Default 10 for probes, 2 for scripts, else 1.",
	"checks[].fall": "So many bad results in a row make it bad. Default 2 for probes and scripts, else 1.",
	"checks[].class": "dead: the addresses go at once. degraded: the priority goes down by weight.",
	"checks[].weight": "Added to the priority when good (above 0) or when bad (below 0).",
	"checks[].reverse": "Good counts as bad, and bad as good.",
	"checks[].startsFailed": "Bad until it was good `rise` times. Default false.",
	"checks[].firstResultDecides": "The first result counts at once, whatever rise and fall say. Default false.",
};
