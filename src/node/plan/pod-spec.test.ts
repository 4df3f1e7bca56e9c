import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { appMetricsOf, podBootstrap, proxyIdOf } from "./pod-bootstrap.ts";
import { nodePaths } from "./pod-paths.ts";
import { type PodSpec, parsePodSpec } from "./pod-spec.ts";

const smallest = { name: "reviews-v1-6d5f8c9b7-x2k4p", ip: "10.1.0.5", netns: "/run/netns/x" };

function parse(body: object): PodSpec {
	const parsed = parsePodSpec(body);
	assert.ok(parsed.ok, JSON.stringify(parsed));
	return parsed.pod;
}

function problemsOf(body: unknown): readonly string[] {
	const parsed = parsePodSpec(body);
	return parsed.ok ? [] : parsed.problems.map((problem) => problem.path);
}

describe("a pod as it is asked for", () => {
	it("needs a name, an address and a namespace path; the rest has defaults", () => {
		assert.deepEqual(parse(smallest), {
			name: "reviews-v1-6d5f8c9b7-x2k4p",
			namespace: "default",
			uid: "default.reviews-v1-6d5f8c9b7-x2k4p",
			ips: ["10.1.0.5"],
			netns: "/run/netns/x",
			labels: {},
			annotations: {},
			serviceAccount: "default",
			ports: [],
			proxy: "sidecar",
			interceptionMode: "TPROXY",
			concurrency: 2,
			workload: "reviews-v1",
			clusterId: "Kubernetes",
			network: "",
			locality: { region: "", zone: "", subzone: "" },
			dnsCapture: false,
		});
	});

	it("is the same after a round through its record on disk", () => {
		const pod = parse({ ...smallest, labels: { app: "reviews" }, ports: [{ name: "http", containerPort: 9080 }] });
		assert.deepEqual(parse(JSON.parse(JSON.stringify(pod))), pod);
	});

	it("is not redirected when it is a gateway, unless it asks for it", () => {
		assert.equal(parse({ ...smallest, proxy: "router" }).interceptionMode, "NONE");
		assert.equal(parse({ ...smallest, proxy: "router", interceptionMode: "REDIRECT" }).interceptionMode, "REDIRECT");
	});

	it("follows the annotations for interception and concurrency", () => {
		const annotations = {
			"sidecar.istio.io/interceptionMode": "REDIRECT",
			"proxy.istio.io/config": "concurrency: 4\nholdApplicationUntilProxyStarts: true\n",
		};
		const pod = parse({ ...smallest, annotations });
		assert.deepEqual([pod.interceptionMode, pod.concurrency], ["REDIRECT", 4]);
		const json = { "proxy.istio.io/config": '{"concurrency":1}' };
		assert.equal(parse({ ...smallest, annotations: json }).concurrency, 1);
	});

	it("is refused with all that is wrong", () => {
		assert.deepEqual(problemsOf([]), [""]);
		assert.deepEqual(problemsOf({}), ["name", "netns", "ips"]);
		assert.deepEqual(
			problemsOf({
				...smallest,
				uid: "../../etc",
				labels: { app: 1 },
				proxy: "gateway",
				interceptionMode: "tproxy",
				concurrency: -1,
				ports: "80",
				ip: "10.1.0.256",
			}),
			["labels", "uid", "ips[0]", "proxy", "interceptionMode", "ports", "concurrency"],
		);
	});
});

describe("the start configuration of a pod's Envoy", () => {
	const paths = nodePaths("/state");

	it("names the proxy as Istio does", () => {
		const pod = parse({ ...smallest, name: "a", namespace: "ns" });
		assert.equal(proxyIdOf(pod, "cluster.local"), "sidecar~10.1.0.5~a.ns~ns.svc.cluster.local");
	});

	it("asks the application for metrics only when it offers them", () => {
		const scrape = { "prometheus.io/scrape": "true" };
		assert.equal(appMetricsOf({ annotations: {} }), undefined);
		assert.deepEqual(appMetricsOf({ annotations: scrape }), { port: 80, path: "/metrics" });
		assert.deepEqual(
			appMetricsOf({ annotations: { ...scrape, "prometheus.io/port": "9", "prometheus.io/path": "m" } }),
			{
				port: 9,
				path: "/m",
			},
		);
		assert.equal(appMetricsOf({ annotations: { ...scrape, "prometheus.io/port": "x" } }), undefined);
		assert.equal(appMetricsOf({ annotations: { ...scrape, "prometheus.istio.io/merge-metrics": "false" } }), undefined);
	});

	it("holds no address of the machine: all that leaves the pod's namespace are Unix sockets", () => {
		const pod = parse({ ...smallest, annotations: { "prometheus.io/scrape": "true" } });
		const text = JSON.stringify(podBootstrap(pod, { nodeName: "n1", paths, domainSuffix: "cluster.local" }));
		const addresses = new Set([...text.matchAll(/"address":"([^"]+)"/g)].map((match) => match[1]));
		assert.deepEqual([...addresses].sort(), ["0.0.0.0", "127.0.0.1"]);
	});

	it("shows the kernel signs of life when it is redirected and they are asked for", () => {
		const options = { nodeName: "n1", paths, domainSuffix: "cluster.local" };
		const beats = (interceptionMode: string, heartbeatMs?: number): string | undefined =>
			JSON.stringify(
				podBootstrap(parse({ ...smallest, interceptionMode }), heartbeatMs ? { ...options, heartbeatMs } : options),
			).match(/"base_interval":"([^"]+)","max_interval":"\1"/)?.[1];
		assert.deepEqual([beats("TPROXY", 20), beats("TPROXY"), beats("NONE", 20)], ["0.02s", undefined, undefined]);
	});
});
