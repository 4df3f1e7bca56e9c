import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseAppProbes, renderAppProbes } from "./app-probe.ts";
import type { Container, Probe } from "./pod-shape.ts";
import { rewriteProbes } from "./rewrite-probes.ts";

const container = (fields: Partial<Container>): Container => ({
	name: "web",
	ports: [{ name: "http", containerPort: 8080 }],
	...fields,
});
const readiness = (probe: Probe) => {
	const { container: rewritten, probes } = rewriteProbes(container({ readinessProbe: probe }));
	return { probe: rewritten.readinessProbe, asked: probes[0]?.[1], path: probes[0]?.[0] };
};

describe("an application's probes", () => {
	it("are turned to the proxy, which asks in their place", () => {
		const httpGet = { path: "/ready", port: "http", httpHeaders: [{ name: "X-Probe", value: "1" }] };
		const { asked, path, probe } = readiness({ httpGet, timeoutSeconds: 3, periodSeconds: 5, failureThreshold: 2 });
		assert.equal(path, "/app-health/web/readyz");
		assert.deepEqual(probe, {
			httpGet: { path: "/app-health/web/readyz", port: 15020, scheme: "HTTP", httpHeaders: httpGet.httpHeaders },
			timeoutSeconds: 3,
			periodSeconds: 5,
			failureThreshold: 2,
		});
		const expected = { kind: "http", port: 8080, path: "/ready", tls: false, timeoutMs: 3000, periodMs: 5000 };
		assert.deepEqual(asked, expected);
	});

	it("keep TLS and the host between proxy and application", () => {
		const httpHeaders = [{ name: "host", value: "shop.example" }];
		const { asked, probe } = readiness({ httpGet: { port: 8443, scheme: "HTTPS", httpHeaders } });
		assert.equal(probe?.httpGet?.scheme, "HTTP");
		assert.equal(probe?.httpGet?.httpHeaders, undefined);
		assert.ok(asked?.kind === "http" && asked.tls);
		assert.equal(asked.host, "shop.example");
		assert.equal(asked.path, "/");
	});

	it("of TCP and gRPC become HTTP, for otherwise they would find the proxy, or be refused by it", () => {
		const tcp = readiness({ tcpSocket: { port: "http" } });
		assert.equal(tcp.asked?.kind, "tcp");
		assert.equal(tcp.probe?.tcpSocket, undefined);
		const grpc = readiness({ grpc: { port: 9000, service: "shop" } });
		assert.deepEqual(grpc.asked, { kind: "grpc", port: 9000, service: "shop", timeoutMs: 1000, periodMs: 10_000 });
		assert.equal(grpc.probe?.httpGet?.path, "/app-health/web/readyz");
	});

	it("stay when they ask nobody by network, or somebody else", () => {
		for (const probe of [
			{ exec: { command: ["true"] } },
			{ httpGet: { port: 80, host: "example.com" } },
			{ tcpSocket: { port: 80, host: "10.0.0.1" } },
			{ httpGet: { port: "nobody-knows" } },
		])
			assert.deepEqual(readiness(probe), { probe, asked: undefined, path: undefined });
	});

	it("have a path for each kind, and hooks theirs", () => {
		const probe = { httpGet: { port: 8080 } };
		const { container: rewritten, probes } = rewriteProbes(
			container({
				readinessProbe: probe,
				livenessProbe: probe,
				startupProbe: probe,
				lifecycle: { preStop: { httpGet: { port: 8080, path: "/bye" } }, postStart: { exec: {} } },
			}),
		);
		assert.deepEqual(
			probes.map(([path]) => path),
			["/app-health/web/readyz", "/app-health/web/livez", "/app-health/web/startupz", "/app-lifecycle/web/prestopz"],
		);
		assert.equal(rewritten.lifecycle?.preStop?.httpGet?.port, 15_020);
		assert.deepEqual(rewritten.lifecycle?.postStart, { exec: {} });
	});

	it("survive the way through the variable", () => {
		const probe = { timeoutMs: 1000, periodMs: 10_000 };
		const probes = new Map([
			["/app-health/a/readyz", { kind: "http", port: 80, path: "/x?y=z", tls: true, host: "h", ...probe }],
			["/app-health/a/livez", { kind: "tcp", port: 81, ...probe }],
			["/app-health/a/startupz", { kind: "grpc", port: 82, service: "", ...probe }],
		] as const);
		assert.deepEqual([...parseAppProbes(renderAppProbes(probes))], [...probes]);
	});

	it("are left out where the variable holds something else", () => {
		const odd = {
			"/app-health/a/readyz": { httpGet: { port: 70_000 } },
			"/admin": { httpGet: { port: 80 } },
			"/app-health/a/livez": "x",
			"/app-health/b/livez": { tcpSocket: { port: 80 }, timeoutSeconds: -5 },
		};
		const read = parseAppProbes(JSON.stringify(odd));
		assert.deepEqual(
			[...read],
			[["/app-health/b/livez", { kind: "tcp", port: 80, timeoutMs: 1000, periodMs: 10_000 }]],
		);
		assert.equal(parseAppProbes("{").size, 0);
		assert.equal(parseAppProbes("[]").size, 0);
	});
});
