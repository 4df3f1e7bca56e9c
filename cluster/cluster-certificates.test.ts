import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { createCertificates, type KeyPair } from "./cluster-certificates.ts";
import { planSet } from "./plan/cluster-shape.ts";

const [cluster] = planSet({ name: "kl", clusters: 1, nodes: 2 }).clusters;
assert.ok(cluster);
const certificates = createCertificates(cluster, Date.now());
const authority = new X509Certificate(certificates.authority.certificate);
const read = (pair: KeyPair | undefined): X509Certificate => new X509Certificate(pair?.certificate ?? "");

describe("a cluster's certificates", () => {
	it("are signed by its authority, each with its own key", () => {
		const pairs = [
			...Object.values(certificates.leaves),
			...Object.values(certificates.nodes).flatMap(({ client, serving }) => [client, serving]),
		];
		assert.equal(pairs.length, 6 + 4);
		for (const pair of pairs) {
			assert.ok(read(pair).verify(authority.publicKey));
			assert.ok(read(pair).checkPrivateKey(createPrivateKey(pair.key)));
			assert.ok(!read(pair).ca);
		}
	});

	it("name the users and groups that Kubernetes gives their rights to", () => {
		const subjectOf = (pair: KeyPair | undefined): string => read(pair).subject.replace("\n", " ");
		assert.equal(subjectOf(certificates.leaves.admin), "O=system:masters CN=admin");
		assert.match(subjectOf(certificates.leaves["kube-scheduler"]), /CN=system:kube-scheduler$/);
		assert.equal(subjectOf(certificates.nodes.n2?.client), "O=system:nodes CN=system:node:n2");
	});

	it("let the API server be reached by every name and address that it has", () => {
		const server = read(certificates.leaves["kube-apiserver"]);
		assert.ok(server.checkHost("kubernetes.default.svc"));
		for (const ip of ["10.96.0.1", "10.88.0.1", "127.0.0.1"]) assert.ok(server.checkIP(ip), ip);
		assert.ok(!server.checkIP("10.88.0.2"));
		assert.ok(read(certificates.nodes.n1?.serving).checkIP("10.88.0.11"));
	});
});
