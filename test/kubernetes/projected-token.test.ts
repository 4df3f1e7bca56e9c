// A pod proves who it is: the token that its kubelet projects, for an audience of its own, judged by TokenReview.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { baseImage } from "../../cluster/images/image-names.ts";
import { noCluster, openCluster, type TestCluster } from "./test-cluster.ts";

const pod = {
	apiVersion: "v1",
	kind: "Pod",
	metadata: { name: "holder" },
	spec: {
		terminationGracePeriodSeconds: 0,
		containers: [
			{
				name: "holder",
				image: baseImage,
				command: ["sleep", "600"],
				volumeMounts: [{ name: "token", mountPath: "/var/run/secrets/tokens" }],
			},
		],
		volumes: [
			{
				name: "token",
				projected: {
					sources: [{ serviceAccountToken: { audience: "istio-ca", expirationSeconds: 600, path: "istio-token" } }],
				},
			},
		],
	},
};

interface Review {
	readonly authenticated?: boolean;
	readonly audiences?: readonly string[];
	readonly user?: { readonly username?: string; readonly extra?: Readonly<Record<string, readonly string[]>> };
	readonly error?: string;
}

describe("a pod's projected token", { skip: noCluster, timeout: 300_000 }, () => {
	let cluster: TestCluster;
	let token = "";
	before(async () => {
		cluster = await openCluster();
		await cluster.apply(pod);
		await cluster.kubectl("wait", "--for=condition=Ready", "pod/holder", "--timeout=180s");
		token = await cluster.exec("holder", "cat", "/var/run/secrets/tokens/istio-token");
	});
	after(() => cluster?.close());

	const review = async (text: string, audiences: readonly string[]): Promise<Review> => {
		const spec = { token: text, audiences };
		const body = { apiVersion: "authentication.k8s.io/v1", kind: "TokenReview", spec };
		const answer = await cluster.api.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", body);
		return (answer.body as { status: Review }).status;
	};

	it("is good for its audience, and names ServiceAccount, pod and node", async () => {
		const { authenticated, audiences, user } = await review(token, ["istio-ca"]);
		assert.equal(authenticated, true);
		assert.deepEqual(audiences, ["istio-ca"]);
		assert.equal(user?.username, `system:serviceaccount:${cluster.namespace}:default`);
		assert.deepEqual(user?.extra?.["authentication.kubernetes.io/pod-name"], ["holder"]);
		const node = await cluster.kubectl("get", "pod", "holder", "--output", "jsonpath={.spec.nodeName}");
		assert.deepEqual(user?.extra?.["authentication.kubernetes.io/node-name"], [node]);
	});

	it("is worth nothing for another audience", async () => {
		const { authenticated, error } = await review(token, ["https://kubernetes.default.svc.cluster.local"]);
		assert.notEqual(authenticated, true);
		assert.match(error ?? "", /audience/);
	});

	it("is worth nothing when one character of its signature differs", async () => {
		const at = token.length - 20;
		const changed = `${token.slice(0, at)}${token[at] === "A" ? "B" : "A"}${token.slice(at + 1)}`;
		assert.notEqual((await review(changed, ["istio-ca"])).authenticated, true);
	});
});
