import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { envoyPath } from "../envoy-validates.testing.ts";
import { type BootstrapOptions, generateBootstrap } from "./bootstrap.ts";

const options: BootstrapOptions = {
	node: {
		id: "sidecar~10.1.0.5~a.default~default.svc.cluster.local",
		cluster: "a.default",
		metadata: { NAMESPACE: "default", LABELS: { app: "a" } },
		locality: { region: "r", zone: "z", subzone: "" },
	},
	xds: { socketPath: "/run/keepmesh/xds.sock" },
};

function envoySays(bootstrap: object): string {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-bootstrap-"));
	try {
		const file = join(directory, "bootstrap.json");
		writeFileSync(file, JSON.stringify(bootstrap));
		const args = ["--mode", "validate", "-c", file, "-l", "warn", "--disable-hot-restart"];
		const { status, stdout, stderr } = spawnSync(envoyPath, args, { encoding: "utf8" });
		return status === 0 && stderr === "" ? "" : `${status} ${stdout}${stderr}`;
	} finally {
		rmSync(directory, { recursive: true, force: true });
	}
}

describe("the bootstrap", () => {
	it("is accepted by Envoy without a warning, in every form", () => {
		assert.equal(envoySays(generateBootstrap(options)), "");
		const other: BootstrapOptions = {
			...options,
			xds: { host: "127.0.0.1", port: 15_010 },
			admin: { socketPath: "/run/keepmesh/admin.sock" },
			stats: null,
			readiness: { host: "127.0.0.1", port: 15_021 },
			statsInclusion: "all",
			maxDownstreamConnections: 1000,
			resolvers: [{ host: "10.0.0.53", port: 53 }],
		};
		assert.equal(envoySays(generateBootstrap(other)), "");
	});

	it("bounds look-ups, and asks the given resolvers", () => {
		const { typed_config: config } = (
			generateBootstrap({ ...options, resolvers: [{ host: "10.0.0.53", port: 53 }] }) as {
				typed_dns_resolver_config: { typed_config: Readonly<Record<string, unknown>> };
			}
		).typed_dns_resolver_config;
		assert.deepEqual(config.resolvers, [{ socket_address: { address: "10.0.0.53", port_value: 53 } }]);
		assert.ok(Number(config.query_timeout_seconds) * Number(config.query_tries) <= 5);
	});

	it("keeps the admin interface on loopback unless told otherwise", () => {
		assert.match(
			JSON.stringify(generateBootstrap(options)),
			/"admin":\{"address":\{"socket_address":\{"address":"127.0.0.1","port_value":15000\}/,
		);
	});
});
