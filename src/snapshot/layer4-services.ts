// A snapshot -> its Services as layer 4 sees them, at the cost of those that changed. A Service without an address gets the one
// that the name table answers for it, so that whoever resolves its name reaches it, with a proxy or without. A load balancer has the
// addresses that it asks for and a VirtualIP holds.

import { type Layer4Endpoint, type Layer4Service, layer4Key } from "../l4/layer4-service.ts";
import { askedAddresses, heldAddresses } from "../l4/services/asked-addresses.ts";
import { layer4ServiceOf } from "../l4/services/layer4-service-of.ts";
import { type ServiceKey, serviceKey } from "../model/service.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import type { Workload } from "./endpoint-sources.ts";
import { fullHostname } from "./hostname.ts";
import { objectsOf } from "./object-store.ts";
import { changedKeys, PersistentMap } from "./persistent-map.ts";
import { keepIdentity } from "./same-value.ts";
import type { ServiceRegistry } from "./service-registry.ts";
import { addressKey, addressOfKey, type ServingSteps } from "./serving-steps.ts";
import type { Snapshot } from "./snapshot.ts";
import { addressesOfPod } from "./workload-facts.ts";

/** By NAMESPACE/NAME. */
export type Layer4Services = PersistentMap<Layer4Service>;

export interface Layer4State {
	readonly services: Layer4Services;
	/** What they were made of. */
	readonly from: Snapshot | undefined;
}

export const noLayer4Services: Layer4State = { services: PersistentMap.empty(), from: undefined };

/** Services that did not change are the same objects as before; when none did, so is the map. */
export function updateLayer4Services(before: Layer4State, snapshot: Snapshot): Layer4State {
	if (before.from === snapshot) return before;
	const objects = objectsOf(snapshot.objects, "Service");
	const edits = new Map<string, Layer4Service | undefined>();
	const held = new Set([...objectsOf(snapshot.objects, "VirtualIP").values()].flatMap(heldAddresses));
	for (const key of changedServices(before.from, snapshot)) {
		const object = objects.get(`Service/${key}`);
		const made = object && serviceOf(object, snapshot, held);
		edits.set(key, made && keepIdentity(before.services.get(key), made));
	}
	return { services: before.services.with(edits), from: snapshot };
}

function changedServices(before: Snapshot | undefined, after: Snapshot): ReadonlySet<string> {
	const services = objectsOf(after.objects, "Service");
	const { registry } = after.routing;
	if (!before || before.routing.mesh.domainSuffix !== after.routing.mesh.domainSuffix) {
		const all = [...services.values(), ...(before ? objectsOf(before.objects, "Service").values() : [])];
		return new Set(all.map(({ metadata }) => layer4Key(metadata)));
	}
	const changed = new Set<string>();
	for (const key of changedKeys(objectsOf(before.objects, "Service"), services)) changed.add(withoutKind(key));
	for (const key of changedKeys(before.endpoints.slicesOf, after.endpoints.slicesOf)) changed.add(key);
	for (const key of changedKeys(before.endpoints.members, after.endpoints.members)) addOwner(changed, registry, key);
	const moved = new Set([...changedKeys(before.endpoints.steps, after.endpoints.steps)].map(addressOfKey));
	for (const address of moved)
		for (const owner of after.endpoints.servicesAt.get(address) ?? []) addOwner(changed, registry, owner);
	if (before.lost !== after.lost) addOverUdp(changed, after, moved);
	if (objectsOf(before.objects, "VirtualIP") !== objectsOf(after.objects, "VirtualIP"))
		for (const service of services.values())
			if (askedAddresses(service).length > 0) changed.add(layer4Key(service.metadata));
	if (before.routing.registry !== registry)
		for (const [key, { service }] of registry.byKey) {
			const older = before.routing.registry.byKey.get(key)?.service;
			if (service.allocated && older?.addresses[0] !== service.addresses[0]) addOwner(changed, registry, key);
		}
	return changed;
}

/** Who has endpoints over UDP alone is not found by the mesh's endpoints. */
function addOverUdp(changed: Set<string>, { endpoints, routing }: Snapshot, moved: ReadonlySet<string>): void {
	if (moved.size === 0) return;
	for (const [service, slices] of endpoints.slicesOf)
		if (slices.some(({ spec }) => spec.endpoints.some(({ addresses }) => addresses.some((one) => moved.has(one)))))
			changed.add(service);
	for (const [key, members] of endpoints.members)
		if (members.filter(isPod).some((pod) => addressesOfPod(pod).some((one) => moved.has(one))))
			addOwner(changed, routing.registry, key);
}

function addOwner(changed: Set<string>, registry: ServiceRegistry, key: ServiceKey): void {
	const service = registry.byKey.get(key)?.service;
	// One that is gone was found by its object.
	if (service?.registry === "kubernetes") changed.add(layer4Key(service));
}

function serviceOf(
	object: ConfigObject<"Service">,
	snapshot: Snapshot,
	held: ReadonlySet<string>,
): Layer4Service | undefined {
	const { namespace, name } = object.metadata;
	const key = serviceKey(fullHostname(name, namespace, snapshot.routing.mesh.domainSuffix), namespace);
	const slices = snapshot.endpoints.slicesOf.get(`${namespace}/${name}`) ?? [];
	const members = snapshot.endpoints.members.get(key) ?? [];
	const made = withAddresses(
		withoutClosed(layer4ServiceOf(object, slices, members.filter(isPod)), snapshot.endpoints.steps),
		askedAddresses(object).filter((address) => held.has(address)),
	);
	if (!made || made.clusterAddresses.length > 0) return made;
	const registered = snapshot.routing.registry.byKey.get(key)?.service;
	return registered?.allocated ? { ...made, clusterAddresses: registered.addresses } : made;
}

/** An endpoint where no proxy serves and nothing else may, or whose machine is lost, is not for new connections. */
function withoutClosed(service: Layer4Service | undefined, steps: ServingSteps): Layer4Service | undefined {
	if (!service || steps.size === 0) return service;
	const ports = service.ports.map((port) => {
		const isClosed = ({ address, port: number }: Layer4Endpoint): boolean => {
			const found = steps.get(addressKey(service.namespace, address));
			if (found === undefined) return false;
			// UDP does not come to proxies.
			const isProxied = port.protocol === "tcp" && (found.step === "closed" || found.closedPorts.includes(number));
			return found.step === "lost" || isProxied;
		};
		if (!port.endpoints.some(isClosed)) return port;
		const endpoints = port.endpoints.map((one) => (isClosed(one) ? { ...one, ready: false, serving: false } : one));
		return { ...port, endpoints };
	});
	return { ...service, ports };
}

function withAddresses(service: Layer4Service | undefined, given: readonly string[]): Layer4Service | undefined {
	if (!service || given.length === 0) return service;
	return { ...service, loadBalancerAddresses: [...new Set([...service.loadBalancerAddresses, ...given])] };
}

const isPod = (workload: Workload): workload is ConfigObject<"Pod"> => workload.kind === "Pod";

const withoutKind = (key: string): string => key.slice(key.indexOf("/") + 1);
