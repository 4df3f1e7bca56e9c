// PeerAuthentications and HotSwitches that do nothing because an older one decides, and clients' rules that cannot work with
// the mutual TLS in force. Istio's IST0113 (mTLS policy conflict) and IST0167 (ineffective policy).

import type { ConfigObject } from "../config-object.ts";
import type { Path } from "../findings.ts";
import type { TrafficPolicy } from "../kinds/networking.ts";
import { type Guarded, hasLabels } from "./guarded-workloads.ts";
import { fullHost, type KnownWorkload, type MeshIndex, selects } from "./mesh-index.ts";
import { nameOf, type Report } from "./report.ts";

/** Of several of such a kind for the same workloads the oldest counts. */
type OldestCounts = "PeerAuthentication" | "HotSwitch";
type Policy = ConfigObject<"PeerAuthentication"> | ConfigObject<"HotSwitch">;
type TlsSettings = NonNullable<TrafficPolicy["tls"]>;

export function checkPrecedence(kind: OldestCounts, index: MeshIndex, guarded: Guarded, report: Report): void {
	const general = new Map<string, Policy>();
	const owners = new Map<KnownWorkload, Policy>();
	for (const policy of index.of(kind)) {
		const { namespace } = policy.metadata;
		if (hasLabels(policy)) checkSelecting(policy, owners, guarded, report);
		else {
			const winner = general.get(namespace);
			if (!winner) general.set(namespace, policy);
			else {
				const scope = namespace === guarded.rootNamespace ? "the whole mesh" : `namespace ${namespace}`;
				report(
					"warning",
					"IST0167",
					policy,
					["spec"],
					`${nameOf(winner)}, which is older, decides for ${scope}: this one has no effect`,
					"merge the two, or add a selector",
				);
			}
		}
	}
}

function checkSelecting(policy: Policy, owners: Map<KnownWorkload, Policy>, guarded: Guarded, report: Report): void {
	const path = ["spec", "selector"];
	if (policy.metadata.namespace === guarded.rootNamespace) {
		report(
			"warning",
			"IST0167",
			policy,
			path,
			`in the root namespace a ${policy.kind} with a selector has no effect`,
			"put it into the namespace of the workloads, or remove the selector",
		);
		return;
	}
	let reported = false;
	for (const workload of guarded.selected(policy, policy.spec.selector?.matchLabels ?? {})) {
		const winner = owners.get(workload);
		if (!winner) owners.set(workload, policy);
		else if (!reported) {
			reported = true;
			report(
				"warning",
				"IST0167",
				policy,
				path,
				`${nameOf(winner)}, which is older, selects ${workload.name} too and decides for it`,
				"make the selectors exclude each other",
			);
		}
	}
}

/** What clients are told to speak against what the servers take. */
export function checkMtlsConflicts(index: MeshIndex, guarded: Guarded, report: Report): void {
	if (index.of("PeerAuthentication").length === 0) return;
	for (const rule of index.of("DestinationRule")) {
		const host = fullHost(rule.spec.host ?? "", rule.metadata.namespace);
		for (const { object: service } of index.lookUp(host, rule.metadata.namespace)) {
			if (service.kind !== "Service") continue;
			checkPolicy(rule, rule.spec.trafficPolicy, ["spec", "trafficPolicy"], service, {}, { index, guarded, report });
			for (const [at, subset] of (rule.spec.subsets ?? []).entries()) {
				const path = ["spec", "subsets", at, "trafficPolicy"];
				checkPolicy(rule, subset.trafficPolicy, path, service, subset.labels ?? {}, { index, guarded, report });
			}
		}
	}
}

interface Context {
	readonly index: MeshIndex;
	readonly guarded: Guarded;
	readonly report: Report;
}

function checkPolicy(
	rule: ConfigObject<"DestinationRule">,
	policy: TrafficPolicy | undefined,
	path: Path,
	service: ConfigObject<"Service">,
	labels: Readonly<Record<string, string>>,
	{ index, guarded, report }: Context,
): void {
	if (!policy) return;
	const workloads = (index.workloads.get(service.metadata.namespace) ?? []).filter(
		(workload) => selects(labels, workload.labels) && !guarded.isGateway(workload),
	);
	const reported = new Set<TlsSettings>();
	for (const { port } of service.spec.ports ?? []) {
		const ofPort = (policy.portLevelSettings ?? []).findIndex((entry) => entry.port?.number === port);
		const tls = ofPort < 0 ? policy.tls : policy.portLevelSettings?.[ofPort]?.tls;
		if (!tls || reported.has(tls)) continue;
		const modes = workloads.flatMap((workload) =>
			guarded
				.portsOf(workload)
				.filter((one) => one.service === service && one.port.port === port)
				.map((one) => guarded.mtlsOf(workload, one.targetPort)),
		);
		const conflict = conflictOf(tls, modes);
		if (!conflict) continue;
		reported.add(tls);
		const at = ofPort < 0 ? [...path, "tls"] : [...path, "portLevelSettings", ofPort, "tls"];
		const where = `port ${port} of ${nameOf(service)}`;
		const source = modes.find((mode) => mode.source)?.source;
		const by = source ? ` (${nameOf(source)})` : "";
		report("warning", "IST0113", rule, at, `${where} ${conflict.message}${by}`, conflict.hint);
	}
}

/** Only what fails on every workload of a port: with some of them it may be meant so. */
function conflictOf(
	tls: TlsSettings,
	modes: readonly { readonly mode: string }[],
): { readonly message: string; readonly hint: string } | undefined {
	if (modes.length === 0) return undefined;
	const { mode = "DISABLE" } = tls;
	if (modes.every((one) => one.mode === "STRICT") && (mode === "DISABLE" || mode === "SIMPLE"))
		return {
			message: `takes mutual TLS of the mesh only, and clients with mode ${mode} are refused`,
			hint: "use mode: ISTIO_MUTUAL, or leave tls out",
		};
	if (modes.every((one) => one.mode === "DISABLE") && mode === "ISTIO_MUTUAL")
		return {
			message: "takes plain text only, and clients with mode ISTIO_MUTUAL fail",
			hint: "leave tls out: clients then do what the server takes",
		};
	return undefined;
}
