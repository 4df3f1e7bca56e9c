import assert from "node:assert/strict";
import { it } from "node:test";
import type { SecretView } from "../../model/view.ts";
import { SecretSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import { decoded } from "../views.testing.ts";
import { gatewaySecretNames, generateGatewaySecrets } from "./gateway-secrets.ts";

it("serves a certificate under its name and the roots beside it", () => {
	const secrets: readonly SecretView[] = [
		{ name: "kubernetes://both", certificateChain: "chain", privateKey: "key", caCertificate: "roots" },
		{ name: "kubernetes://plain", certificateChain: "chain", privateKey: "key" },
		{ name: "kubernetes://half", certificateChain: "chain" },
	];
	const names = ["kubernetes://both", "kubernetes://both-cacert", "kubernetes://plain"];
	assert.deepEqual(
		generateGatewaySecrets(secrets)
			.map((secret) => secret.name)
			.sort(),
		names,
	);
	assert.deepEqual([...gatewaySecretNames(secrets)].sort(), names);
});

it("prefers roots that have a Secret of their own", () => {
	const secrets: readonly SecretView[] = [
		{ name: "kubernetes://a", certificateChain: "chain", privateKey: "key", caCertificate: "inside" },
		{ name: "kubernetes://a-cacert", caCertificate: "own" },
	];
	const roots = generateGatewaySecrets(secrets).filter((secret) => secret.name === "kubernetes://a-cacert");
	assert.equal(roots.length, 1);
	const { type } = decoded(SecretSchema, roots[0]);
	assert.equal(type.case === "validationContext" && type.value.trustedCa?.specifier.value, "own");
});
