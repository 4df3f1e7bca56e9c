// Whether a pod that the webhook is asked about gets a proxy, and if not, why. In: the pod, its namespace, the configuration. The
// order is Istio's: what never may, what the pod itself says (its label before its annotation), the selectors, the policy.

import type { InjectConfig, LabelSelector } from "./inject-config.ts";
import { type Pod, proxyContainerName } from "./pod-shape.ts";

export type Decision = { readonly inject: true } | { readonly inject: false; readonly because: string };

/** Namespaces that a cluster stands on: a proxy there could keep the cluster from coming up. */
export const systemNamespaces = ["kube-system", "kube-public", "kube-node-lease", "local-path-storage"] as const;

const injectName = "sidecar.istio.io/inject";
export const statusAnnotation = "sidecar.istio.io/status";

export function shouldInject(pod: Pod, namespace: string, config: InjectConfig): Decision {
	const { labels = {}, annotations = {} } = pod.metadata ?? {};
	if (pod.spec.hostNetwork === true) return no("it uses the network of its node (hostNetwork)");
	if (systemNamespaces.some((name) => name === namespace))
		return no(`${namespace} is a namespace of the cluster itself`);
	if (annotations[statusAnnotation] !== undefined && hasProxy(pod)) return no("it is injected already");
	const said = labels[injectName] ?? annotations[injectName] ?? "";
	const where = labels[injectName] === undefined ? "annotation" : "label";
	if (["true", "y", "yes", "on"].includes(said.toLowerCase())) return { inject: true };
	if (said !== "") return no(`its ${where} ${injectName} is "${said}"`);
	if (config.neverInjectSelector.some((selector) => matchesLabels(selector, labels)))
		return no("neverInjectSelector matches its labels");
	if (config.alwaysInjectSelector.some((selector) => matchesLabels(selector, labels))) return { inject: true };
	return config.policy === "enabled"
		? { inject: true }
		: no(`the policy is disabled, and it has no label ${injectName}`);
}

/** An empty selector matches nothing, as in Istio: it is a slip, not a wish to match all. */
export function matchesLabels(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
	const { matchLabels = {}, matchExpressions = [] } = selector;
	if (Object.keys(matchLabels).length === 0 && matchExpressions.length === 0) return false;
	return (
		Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
		matchExpressions.every(({ key, operator, values = [] }) => {
			const value = labels[key];
			switch (operator) {
				case "In":
					return value !== undefined && values.includes(value);
				case "NotIn":
					return value === undefined || !values.includes(value);
				case "Exists":
					return value !== undefined;
				case "DoesNotExist":
					return value === undefined;
				default:
					return operator satisfies never;
			}
		})
	);
}

function hasProxy({ spec }: Pod): boolean {
	return [...spec.containers, ...(spec.initContainers ?? [])].some(
		({ name, image }) => name === proxyContainerName && image !== "auto",
	);
}

function no(because: string): Decision {
	return { inject: false, because };
}
