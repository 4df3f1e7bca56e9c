import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { loadVipConfig } from "./load-vip-config.ts";

const virtualIp = (secretName: string): string => `
apiVersion: keepmesh.io/v1alpha1
kind: VirtualIP
metadata: { name: web, namespace: edge }
spec:
  addresses: [10.0.0.100/24]
  interface: eth0
  virtualRouterId: 51
  authentication: { type: hmac, secretName: ${secretName} }
`;

const secret = `
apiVersion: v1
kind: Secret
metadata: { name: vrrp, namespace: edge }
stringData: { key: correct horse }
`;

describe("VirtualIP resources of a directory", () => {
	let directory = "";
	before(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-vip-"));
		writeFileSync(join(directory, "secret.yaml"), secret);
	});
	after(() => rmSync(directory, { recursive: true }));
	const load = (secretName: string) => {
		writeFileSync(join(directory, "vip.yaml"), virtualIp(secretName));
		return loadVipConfig({ type: "resources", directory }, "a");
	};

	it("take their key from the Secret of the same directory and namespace", async () => {
		const loaded = await load("vrrp");
		assert.ok(loaded.ok);
		assert.deepEqual(loaded.config.instances[0]?.authentication, { type: "hmac", key: "correct horse" });
	});

	it("do not run without their key, and the problem names the Secret", async () => {
		const loaded = await load("other");
		assert.ok(loaded.ok);
		assert.equal(loaded.config.instances.length, 0);
		assert.match(loaded.problems.map(({ message }) => message).join(), /the key cannot be read: Secret other/);
	});
});
