// What a workload demands of connections: the PeerAuthentication that selects it, then its namespace's, then the mesh's, the
// oldest of each. Istio's ComposePeerAuthentication.

import type { InboundMtls, WorkloadMtls } from "../model/security.ts";
import { permissiveMtls } from "../model/security.ts";
import type { ConfigObject, ObjectKey } from "../resources/config-object.ts";
import { keyOf } from "../resources/config-object.ts";
import type { MtlsMode } from "../resources/kinds/security.ts";
import { selects } from "./label-selector.ts";
import type { PolicyIndex } from "./policy-index.ts";

type PeerAuthentication = ConfigObject<"PeerAuthentication">;
type Labels = Readonly<Record<string, string>>;

/** Undefined when it is for all workloads of its namespace, or of the mesh. */
export function peerSelectorOf(peer: PeerAuthentication): Labels | undefined {
	const labels = peer.spec.selector?.matchLabels;
	return labels === undefined || Object.keys(labels).length === 0 ? undefined : labels;
}

/** Ports, and UNSET, take the mode of the next wider level. In the root namespace selectors select nothing, as in Istio. */
export function mtlsOf(index: PolicyIndex, namespace: string, labels: Labels): WorkloadMtls {
	const levels = levelsFor(index, namespace, labels);
	const sources: ObjectKey[] = [];
	const [own] = levels;
	const ofWorkload = own !== undefined && peerSelectorOf(own) !== undefined ? own : undefined;
	const ports = Object.entries(ofWorkload?.spec.portLevelMtls ?? {});
	if (ofWorkload !== undefined && ports.length > 0) sources.push(keyOf(ofWorkload));
	let mode: InboundMtls = permissiveMtls.mode;
	for (const peer of levels) {
		const said = modeOf(peer.spec.mtls?.mode);
		if (said === undefined) continue;
		mode = said;
		if (!sources.includes(keyOf(peer))) sources.push(keyOf(peer));
		break;
	}
	if (sources.length === 0) return permissiveMtls;
	const byPort = ports
		.map(([port, { mode: said }]) => [Number(port), modeOf(said) ?? mode] as const)
		.filter(([, ofPort]) => ofPort !== mode)
		.sort(([a], [b]) => a - b);
	return { mode, byPort: new Map(byPort), sources };
}

/** The most specific first. */
function levelsFor(index: PolicyIndex, namespace: string, labels: Labels): readonly PeerAuthentication[] {
	const isRoot = namespace === index.rootNamespace;
	const everybodys = (peer: PeerAuthentication) => peerSelectorOf(peer) === undefined;
	const own = isRoot ? [] : (index.byNamespace.get(namespace)?.peers ?? []);
	const selecting = own.find((peer) => {
		const selector = peerSelectorOf(peer);
		return selector !== undefined && selects(selector, labels);
	});
	const ofMesh = index.byNamespace.get(index.rootNamespace)?.peers.find(everybodys);
	return [selecting, own.find(everybodys), ofMesh].filter((peer) => peer !== undefined);
}

function modeOf(mode: MtlsMode | undefined): InboundMtls | undefined {
	return mode === "UNSET" ? undefined : mode;
}
