import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ApiAnswer } from "../../kubernetes/client/kubernetes-client.ts";
import { keepmeshCrds } from "../../kubernetes/crds/keepmesh-crds.ts";
import { waitForKinds } from "./wait-for-kinds.ts";

describe("an installation", () => {
	const all = keepmeshCrds().map(({ spec }) => ({ name: spec.names.plural }));
	/** One answer after the other, the last one for ever. */
	const server = (...answers: readonly Pick<ApiAnswer, "status" | "body">[]) => {
		let asked = 0;
		return {
			request: async () => (answers[Math.min(asked++, answers.length - 1)] ?? assert.fail()) as ApiAnswer,
			asked: () => asked,
		};
	};

	it("waits until the API server serves every kind, not only one of them", async () => {
		const none = { status: 404, body: {} };
		const some = { status: 200, body: { resources: all.slice(1) } };
		const client = server(none, some, { status: 200, body: { resources: all } });
		await waitForKinds(client);
		assert.equal(client.asked(), 3);
	});

	it("says which kind is missing when it comes to nothing", async () => {
		const client = server({ status: 200, body: { resources: all.filter(({ name }) => name !== "virtualippools") } });
		await assert.rejects(waitForKinds(client, 150), /does not serve virtualippools of keepmesh\.io \(200\)/);
	});

	it("goes on where it may not ask", async () => {
		await waitForKinds(server({ status: 403, body: {} }));
	});
});
