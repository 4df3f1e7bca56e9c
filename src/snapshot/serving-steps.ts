// Where the connections of pods go that no proxy serves: what clients are told of their endpoints. In: what nodes said of their
// pods, and the policies. Out: steps by address, in which STRICT is never plaintext, whatever a node said.

import type { Endpoint } from "../model/endpoint.ts";
import { mtlsOnPort, type WorkloadMtls } from "../model/security.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import { labelsOfWorkload, type Workload } from "./endpoint-sources.ts";
import { hotSwitchPolicyFor } from "./hot-switch-policies.ts";
import { objectNamed, objectsOf } from "./object-store.ts";
import { mtlsOf } from "./peer-mtls.ts";
import { PersistentMap } from "./persistent-map.ts";
import type { Snapshot } from "./snapshot.ts";
import { addressesOfPod, nodeAnnotation } from "./workload-facts.ts";

/** A workload that no proxy serves, as its node said. */
export interface UnproxiedWorkload {
	readonly namespace: string;
	readonly name: string;
	readonly serviceAccount: string;
	readonly node: string;
	/** The node's registration allows the service account: it is believed also where no resource places it there. */
	readonly isGranted: boolean;
	readonly step: "direct" | "closed";
}

/** Workloads that went with their machine: it lost its power, or nothing reaches it any more. */
export interface LostWorkloads {
	/** All workloads that are on them. */
	readonly nodes: ReadonlySet<string>;
	/** Of machines that are back after a boot: as they were described before it. One that is described anew is not lost. */
	readonly pods: ReadonlySet<ConfigObject<"Pod">>;
}

export const nothingLost: LostWorkloads = { nodes: new Set(), pods: new Set() };

/** What callers of an address do; a new object only where it is another step or other ports. */
export interface AddressStep {
	/** `lost`: its machine is. */
	readonly step: "direct" | "closed" | "lost";
	/** Of `direct`: taken out all the same, as these take mutual TLS only. */
	readonly closedPorts: readonly number[];
}

type Known = Pick<Snapshot, "objects" | "policies" | "memo" | "lost">;

/** By namespace and address. */
export type ServingSteps = PersistentMap<AddressStep>;

export const noServingSteps: ServingSteps = PersistentMap.empty();

export function addressKey(namespace: string, address: string): string {
	return `${namespace}|${address}`;
}

export function addressOfKey(key: string): string {
	return key.slice(key.indexOf("|") + 1);
}

/** `previous` itself when all steps are as before. */
export function servingStepsOf(
	snapshot: Known,
	unproxied: readonly UnproxiedWorkload[],
	previous: ServingSteps,
): ServingSteps {
	const found = new Map<string, AddressStep>();
	for (const one of unproxied)
		for (const workload of workloadsFor(snapshot, one))
			for (const address of addressesOf(workload)) {
				const key = addressKey(workload.metadata.namespace, address);
				const step = stepOf(snapshot, workload, one.step);
				const other = found.get(key);
				found.set(key, other ? strictest(other, step) : step);
			}
	for (const key of lostAddresses(snapshot)) found.set(key, lostStep);
	const gone = [...previous.keys()].filter((key) => !found.has(key)).map((key) => [key, undefined] as const);
	return previous.with([...gone, ...[...found].map(([key, step]) => [key, kept(previous.get(key), step)] as const)]);
}

/** Of two workloads with one address. */
function strictest(a: AddressStep, b: AddressStep): AddressStep {
	if (a.step === "closed" || b.step === "closed") return closedStep;
	const closedPorts = [...new Set([...a.closedPorts, ...b.closedPorts])].sort((one, other) => one - other);
	return { step: "direct", closedPorts };
}

function kept(previous: AddressStep | undefined, step: AddressStep): AddressStep {
	const isSame = previous?.step === step.step && previous.closedPorts.join() === step.closedPorts.join();
	return isSame ? previous : step;
}

/** The endpoint as callers are to see it. */
export function asServed(endpoint: Endpoint, steps: ServingSteps): Endpoint {
	if (steps.size === 0) return endpoint;
	const found = steps.get(addressKey(endpoint.namespace, endpoint.address));
	if (found === undefined) return endpoint;
	if (found.step === "lost") return { ...endpoint, health: "unhealthy" };
	if (found.step === "closed" || found.closedPorts.includes(endpoint.port))
		return { ...endpoint, health: "unhealthy", servingStep: "closed" };
	return { ...endpoint, tlsMode: "disabled", servingStep: "direct" };
}

/** The Pod of that name, or the WorkloadEntries that stand for it: those that are the node's to speak for. */
function workloadsFor(snapshot: Known, told: UnproxiedWorkload): readonly Workload[] {
	const { isGranted, namespace, name, serviceAccount, node } = told;
	const pod = objectNamed(snapshot.objects, "Pod", namespace, name);
	if (pod) {
		const isIts = (pod.spec.serviceAccountName || "default") === serviceAccount;
		return isIts && isOn(node, pod.spec.nodeName, isGranted) ? [pod] : [];
	}
	return [...objectsOf(snapshot.objects, "WorkloadEntry").values()].filter(({ metadata, spec }) => {
		const isIts = metadata.namespace === namespace && (spec.serviceAccount || "default") === serviceAccount;
		const place = metadata.annotations[nodeAnnotation];
		return isIts && isOn(node, place, isGranted) && (place === node || metadata.name === name);
	});
}

function* lostAddresses({ lost, objects }: Known): Iterable<string> {
	if (lost.nodes.size === 0 && lost.pods.size === 0) return;
	for (const pod of objectsOf(objects, "Pod").values())
		if (lost.nodes.has(pod.spec.nodeName ?? "") || lost.pods.has(pod))
			for (const address of addressesOfPod(pod)) yield addressKey(pod.metadata.namespace, address);
	for (const { metadata, spec } of objectsOf(objects, "WorkloadEntry").values())
		if (lost.nodes.has(metadata.annotations[nodeAnnotation] ?? "") && spec.address !== undefined)
			yield addressKey(metadata.namespace, spec.address);
	// Who follows no Pods has them here.
	for (const { metadata, spec } of objectsOf(objects, "EndpointSlice").values())
		for (const { addresses, nodeName = "" } of spec.endpoints)
			if (lost.nodes.has(nodeName)) for (const address of addresses) yield addressKey(metadata.namespace, address);
}

function isOn(node: string, place: string | undefined, isGranted: boolean): boolean {
	return place === undefined || place === "" ? isGranted : place === node;
}

function addressesOf(workload: Workload): readonly string[] {
	if (workload.kind === "Pod") return addressesOfPod(workload);
	return workload.spec.address === undefined ? [] : [workload.spec.address];
}

function stepOf(snapshot: Known, workload: Workload, told: UnproxiedWorkload["step"]): AddressStep {
	if (told === "closed") return closedStep;
	const { namespace } = workload.metadata;
	const labels = labelsOfWorkload(workload);
	const { failOpen } = hotSwitchPolicyFor(snapshot, { namespace, labels });
	if (failOpen === "always") return { step: "direct", closedPorts: [] };
	const mtls = mtlsOf(snapshot.policies, namespace, labels);
	// The node may not have heard of the policy yet.
	if (failOpen === "never" || mtls.mode === "STRICT") return closedStep;
	return { step: "direct", closedPorts: strictPorts(mtls) };
}

const lostStep: AddressStep = { step: "lost", closedPorts: [] };
const closedStep: AddressStep = { step: "closed", closedPorts: [] };

function strictPorts(mtls: WorkloadMtls): readonly number[] {
	return [...mtls.byPort.keys()].filter((port) => mtlsOnPort(mtls, port) === "STRICT");
}
