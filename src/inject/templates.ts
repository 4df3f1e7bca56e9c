// The two templates of Keepmesh's own, as fragments of a pod. `sidecar`: a proxy beside an application; `gateway`: a pod that is
// a proxy, of which its author writes only a container `istio-proxy` with the image `auto`.

import { type Pod, servingCondition } from "./pod-shape.ts";
import { type ProxyContainerInput, proxyContainer, proxyVolumeName, redirectWaiter } from "./proxy-container.ts";
import { workloadOf } from "./workload-of.ts";

/** Laid over the pod by strategic merge. */
export type PodFragment = Readonly<Record<string, unknown>>;

export function sidecarFragment(input: ProxyContainerInput): PodFragment {
	const { config, settings } = input;
	const container = proxyContainer(input);
	const waits = !settings.native && !config.cni && settings.interceptionMode !== "NONE";
	return {
		metadata: {
			labels: { "security.istio.io/tlsMode": "istio", ...canonicalLabels(input) },
			annotations: { ...annotationsOf(input), ...defaultContainer(input.pod) },
		},
		spec: {
			...(settings.native ? { initContainers: [container] } : { containers: [container] }),
			...(waits ? { initContainers: [redirectWaiter(input)] } : {}),
			...shared(input),
		},
	};
}

export function gatewayFragment(input: ProxyContainerInput): PodFragment {
	return {
		metadata: { labels: canonicalLabels(input), annotations: annotationsOf(input) },
		spec: {
			containers: [proxyContainer(input)],
			// So that a proxy without privileges may listen on 80 and 443.
			securityContext: { sysctls: [{ name: "net.ipv4.ip_unprivileged_port_start", value: "0" }] },
			// Its node says at once that it ended or hangs; kubelet would ask it again and again first.
			readinessGates: [{ conditionType: servingCondition }],
			...shared(input),
		},
	};
}

function shared({ config, settings }: ProxyContainerInput): PodFragment {
	return {
		volumes: [{ name: proxyVolumeName, emptyDir: { medium: "Memory" } }, ...settings.volumes],
		...(config.imagePullSecrets.length > 0
			? { imagePullSecrets: config.imagePullSecrets.map((name) => ({ name })) }
			: {}),
	};
}

function annotationsOf({ config, settings }: ProxyContainerInput): Readonly<Record<string, string>> {
	return { "istio.io/rev": config.revision, "sidecar.istio.io/interceptionMode": settings.interceptionMode };
}

/** What telemetry calls the workload; the order is Istio's. */
function canonicalLabels({ namespace, pod }: ProxyContainerInput): Readonly<Record<string, string>> {
	const meta = pod.metadata ?? {};
	const labels = meta.labels ?? {};
	const first = (...names: readonly string[]): string | undefined =>
		names.map((name) => labels[name]).find((value) => value);
	const name = "service.istio.io/canonical-name";
	const revision = "service.istio.io/canonical-revision";
	return {
		[name]: first(name, "app.kubernetes.io/name", "app") ?? workloadOf(meta, namespace).name.slice(0, 63),
		[revision]: first(revision, "app.kubernetes.io/version", "version") ?? "latest",
	};
}

/** `kubectl logs` and `exec` mean the application. */
function defaultContainer({ metadata, spec }: Pod): Readonly<Record<string, string>> {
	const first = spec.containers.find(({ name }) => name !== "istio-proxy")?.name;
	const name = "kubectl.kubernetes.io/default-container";
	return first === undefined || metadata?.annotations?.[name] !== undefined ? {} : { [name]: first };
}
