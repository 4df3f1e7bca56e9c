// Resource files and a node's name -> what that node's layer 4 would be, in the form in which a running node tells it. Nothing of
// this machine is looked at.

import type { IpFamily } from "../../l4/balancer.ts";
import type { Layer4Service } from "../../l4/layer4-service.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import { canonicalAddress, familyOf } from "../../l4/services/canonical-address.ts";
import { type KubeProxySettings, nodeFactsOf } from "../../l4/services/kube-proxy-settings.ts";
import { planService } from "../../l4/services/plan-service.ts";
import { unallocatedOf, unallocatedText } from "../../l4/services/unallocated.ts";
import type { Layer4Status } from "../../node/layer4/layer4-status.ts";
import type { AnyObject } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import { nearestName } from "../../resources/text/nearest-name.ts";
import type { Change } from "../../snapshot/change.ts";
import { noLayer4Services, updateLayer4Services } from "../../snapshot/layer4-services.ts";
import { applyChanges, emptySnapshot } from "../../snapshot/snapshot.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { readKubeProxyFile } from "./kube-proxy-file.ts";
import { readInputs } from "./read-inputs.ts";

export interface OfflineFlags {
	readonly filename: readonly string[];
	readonly namespace?: string;
	readonly node?: string;
	readonly zone?: string;
	readonly nodeAddress: readonly string[];
	readonly podRanges?: readonly string[];
	readonly kubeProxyConfig?: string;
	readonly backend?: "nftables" | "ipvs";
}

export type Layer4Plan = Pick<Layer4Status, "node" | "backend" | "services">;

export interface OfflinePlan extends Layer4Plan {
	readonly problems: readonly Problem[];
}

export async function planOffline(flags: OfflineFlags): Promise<OfflinePlan> {
	const loaded = await readInputs(flags.filename, { defaultNamespace: flags.namespace ?? "default" });
	const changes = loaded.objects.map((object): Change => ({ type: "objectApplied", object }));
	const { snapshot } = applyChanges(emptySnapshot(), changes);
	const services = [...updateLayer4Services(noLayer4Services, snapshot).services]
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.map(([, service]) => service);
	const { settings, problems } = readKubeProxyFile(flags.kubeProxyConfig);
	const node = factsOf(settings, flags, services);
	const backend = flags.backend ?? settings.backend;
	return {
		node,
		backend,
		services: services.map((service) => ({
			service,
			backend: service.backend ?? backend,
			balancers: planService(service, node),
		})),
		problems: [
			...loaded.problems.filter(concernsLayer4),
			...loaded.objects.flatMap(missingOfLoadBalancer),
			...problems,
		],
	};
}

/** Kinds that a node's rules depend on. */
const ownKinds: ReadonlySet<string> = new Set(["Service", "EndpointSlice", "Pod", "VirtualIP", "Namespace"]);

/** Also what could have been of such a kind: a text that cannot be read, an unknown kind. */
function concernsLayer4({ resource, path, severity }: Problem): boolean {
	const [kind = ""] = resource.split(" ", 1);
	if (kind === "" || ownKinds.has(kind)) return true;
	return path === "kind" && (severity === "error" || nearestName(kind, ownKinds) !== undefined);
}

/** Reading a file is silent of those: in a mesh alone they may be a cloud's. */
function missingOfLoadBalancer(object: AnyObject): readonly Problem[] {
	if (object.kind !== "Service" || object.spec.type !== "LoadBalancer") return [];
	if (!unallocatedOf(object).includes("nodePort")) return [];
	const { namespace, name } = object.metadata;
	const { message, hint } = unallocatedText.nodePort;
	return [
		{
			severity: "warning",
			origin: object.origin,
			resource: `Service ${namespace}/${name}`,
			path: "spec.type",
			message: `${message}, nor an address of the load balancer`,
			hint: `${hint}, or loadBalancerIP: an address that a VirtualIP holds`,
		},
	];
}

function factsOf(settings: KubeProxySettings, flags: OfflineFlags, services: readonly Layer4Service[]): NodeFacts {
	const addresses = flags.nodeAddress.map((text) => {
		const address = canonicalAddress(text)?.text;
		if (address !== undefined) return address;
		throw new CliError(exitCodes.usage, `"${text}" is no address`, "--node-address 192.0.2.1");
	});
	const name = flags.node ?? settings.nodeName;
	if (name === undefined)
		throw new CliError(exitCodes.usage, "--node is missing: the plan differs from node to node", "--node NAME");
	const facts = nodeFactsOf(settings, {
		name,
		...(flags.zone === undefined ? {} : { zone: flags.zone }),
		families: familiesOf(services, addresses),
		primaryAddresses: addresses,
		addresses,
		podRanges: [],
	});
	const ranges = flags.podRanges;
	return {
		...facts,
		name,
		...(ranges ? { localTraffic: { type: "ranges", ranges } } : {}),
		...(flags.backend === "ipvs" && settings.scheduler === undefined ? { scheduler: "rr" } : {}),
	};
}

/** A family that nothing has an address of would only be empty tables. */
function familiesOf(services: readonly Layer4Service[], addresses: readonly string[]): readonly IpFamily[] {
	const all = services.flatMap((service) => [
		...service.clusterAddresses,
		...service.externalAddresses,
		...service.loadBalancerAddresses,
		...service.ports.flatMap(({ endpoints }) => endpoints.map(({ address }) => address)),
	]);
	const isV6 = [...addresses, ...all].some((address) => familyOf(address) === "ipv6");
	return isV6 ? ["ipv4", "ipv6"] : ["ipv4"];
}
