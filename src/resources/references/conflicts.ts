// Resources that claim the same thing: only the oldest gets it. Istio's IST0109, IST0110, IST0111 and IST0145.

import type { AnyObject, ConfigObject } from "../config-object.ts";
import { fullHost, type MeshIndex, selects } from "./mesh-index.ts";
import { nameOf, type Report } from "./report.ts";

/** Mesh hosts of VirtualServices are not merged: the oldest one that a client sees has the whole host. */
export function checkMeshHosts(index: MeshIndex, report: Report): void {
	const owners = new Map<string, ConfigObject<"VirtualService">[]>();
	for (const rule of index.of("VirtualService")) {
		const { gateways = [], hosts = [] } = rule.spec;
		if (gateways.length > 0 && !gateways.includes("mesh")) continue;
		for (const [at, written] of hosts.entries()) {
			const host = fullHost(written, rule.metadata.namespace);
			const older = owners.get(host) ?? [];
			if (older.includes(rule)) continue;
			const winner = older.find((other) => bothVisible(other, rule));
			if (winner)
				report(
					"error",
					"IST0109",
					rule,
					["spec", "hosts", at],
					`${nameOf(winner)}, which is older, has the host ${host}: this one has no effect on it`,
					"merge the two into one VirtualService",
				);
			else owners.set(host, [...older, rule]);
		}
	}
}

/** Is there a namespace whose proxies see both? */
function bothVisible(a: ConfigObject<"VirtualService">, b: ConfigObject<"VirtualService">): boolean {
	const ofA = namespacesOf(a);
	const ofB = namespacesOf(b);
	if (ofA.has("*") || ofB.has("*")) return true;
	return [...ofA].some((namespace) => ofB.has(namespace));
}

function namespacesOf(rule: ConfigObject<"VirtualService">): ReadonlySet<string> {
	const exportTo = rule.spec.exportTo?.length ? rule.spec.exportTo : ["*"];
	return new Set(exportTo.map((entry) => (entry === "." ? rule.metadata.namespace : entry)));
}

/** A workload has one Sidecar: the oldest whose selector fits, else the oldest without selector of its namespace. */
export function checkSidecars(index: MeshIndex, report: Report): void {
	const general = new Map<string, ConfigObject<"Sidecar">>();
	const selecting = new Map<string, ConfigObject<"Sidecar">[]>();
	for (const sidecar of index.of("Sidecar")) {
		const { namespace } = sidecar.metadata;
		if (isGeneral(sidecar)) {
			const winner = general.get(namespace);
			if (winner)
				report(
					"error",
					"IST0111",
					sidecar,
					["spec"],
					`${nameOf(winner)}, which is older, is the namespace's Sidecar without selector: this one has no effect`,
					"merge the two, or add a workloadSelector",
				);
			else general.set(namespace, sidecar);
		} else selecting.set(namespace, [...(selecting.get(namespace) ?? []), sidecar]);
	}
	for (const [namespace, sidecars] of selecting) checkSelecting(namespace, sidecars, index, report);
}

function isGeneral(sidecar: ConfigObject<"Sidecar">): boolean {
	return Object.keys(sidecar.spec.workloadSelector?.labels ?? {}).length === 0;
}

function checkSelecting(
	namespace: string,
	sidecars: readonly ConfigObject<"Sidecar">[],
	index: MeshIndex,
	report: Report,
): void {
	const reported = new Set<AnyObject>();
	for (const workload of index.workloads.get(namespace) ?? []) {
		const [winner, ...others] = sidecars.filter((sidecar) =>
			selects(sidecar.spec.workloadSelector?.labels ?? {}, workload.labels),
		);
		for (const other of others) {
			if (!winner || reported.has(other)) continue;
			reported.add(other);
			report(
				"error",
				"IST0110",
				other,
				["spec", "workloadSelector"],
				`${nameOf(winner)}, which is older, selects ${workload.name} too and wins`,
				"make the selectors exclude each other",
			);
		}
	}
}

/** Two Gateways of one selector with the same host on the same port: the oldest one's server counts. */
export function checkGatewayConflicts(index: MeshIndex, report: Report): void {
	const owners = new Map<string, ConfigObject<"Gateway">>();
	for (const gateway of index.of("Gateway")) {
		const selector = JSON.stringify(Object.entries(gateway.spec.selector ?? {}).sort());
		for (const [at, server] of (gateway.spec.servers ?? []).entries())
			for (const [hostAt, written] of server.hosts.entries()) {
				const host = written.startsWith("./")
					? `${gateway.metadata.namespace}${written.slice(1)}`
					: written.replace(/^\*\//, "");
				const key = `${selector} ${server.bind ?? ""}:${server.port.number} ${host}`;
				const winner = owners.get(key);
				if (!winner) owners.set(key, gateway);
				else if (winner !== gateway)
					report(
						"error",
						"IST0145",
						gateway,
						["spec", "servers", at, "hosts", hostAt],
						`${nameOf(winner)}, which is older, serves ${host} on port ${server.port.number} of the same proxies`,
						"use another host or port, or one Gateway for both",
					);
			}
	}
}
