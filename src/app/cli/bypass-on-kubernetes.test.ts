import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pods } from "../../kubernetes/client/api-resources.ts";
import { FakeApi } from "../../kubernetes/client/fake-api.testing.ts";
import type { ApiAnswer, ApiMethod, RequestOptions } from "../../kubernetes/client/kubernetes-client.ts";
import { bypassAnnotation, bypassByAnnotation, bypassUntilAnnotation } from "../../kubernetes/node/bypass-request.ts";
import { orderPods } from "./bypass-on-kubernetes.ts";

interface Stored {
	readonly metadata: {
		readonly name: string;
		readonly namespace: string;
		readonly uid: string;
		readonly annotations?: Readonly<Record<string, string>>;
	};
	readonly spec: { readonly nodeName: string };
	readonly status: { readonly conditions: readonly object[] };
}

/** An API server whose nodes' agents answer each change of the annotations as they are told here. */
class AnsweringApi extends FakeApi {
	refusal: string | undefined;
	#answers = 0;

	add(name: string, annotations: Readonly<Record<string, string>> = {}, isServed = true): void {
		const serving = { type: "keepmesh.io/serving", status: "True", reason: "BySidecar", message: "by its own" };
		this.put(pods, {
			metadata: { name, namespace: "shop", uid: `uid-${name}`, annotations },
			spec: { nodeName: "n1" },
			status: { conditions: isServed ? [serving] : [] },
		});
	}

	annotationsOf(name: string): Promise<Readonly<Record<string, string>>> {
		return this.#read(name).then(({ metadata }) => metadata.annotations ?? {});
	}

	override async request(method: ApiMethod, path: string, options: RequestOptions = {}): Promise<ApiAnswer> {
		const answer = await super.request(method, path, options);
		if (method === "PATCH") setImmediate(() => void this.#answer(path.split("/").at(-1) ?? ""));
		return answer;
	}

	async #read(name: string): Promise<Stored> {
		return (await super.request("GET", `/api/v1/namespaces/shop/pods/${name}`)).body as Stored;
	}

	async #answer(name: string): Promise<void> {
		const { metadata, spec } = await this.#read(name);
		const isAsked = metadata.annotations?.[bypassAnnotation] !== undefined;
		const isBypassed = isAsked && this.refusal === undefined;
		const answered = {
			type: "keepmesh.io/bypassed",
			status: isBypassed ? "True" : "False",
			message: isBypassed ? "done" : (this.refusal ?? "restored"),
			lastProbeTime: `answer ${++this.#answers}`,
		};
		const serving = { type: "keepmesh.io/serving", status: "True", reason: isBypassed ? "BySpare" : "BySidecar" };
		this.put(pods, { metadata: { ...metadata }, spec, status: { conditions: [serving, answered] } });
	}
}

const shop = { namespace: "shop" };
const bypass = { verb: "bypass", by: "ada", why: "a new version" } as const;

describe("a bypass on Kubernetes", () => {
	it("is written onto the Pod, and done when its node's agent says so", async () => {
		const api = new AnsweringApi();
		api.add("web");
		const [outcome] = await orderPods(api, "shop/web", {}, { ...bypass, forMs: 600_000 });
		assert.deepEqual([outcome?.isDone, outcome?.pod.servedBy, outcome?.pod.node], [true, "spare", "n1"]);
		const { [bypassUntilAnnotation]: until = "", ...said } = await api.annotationsOf("web");
		assert.deepEqual(said, { [bypassAnnotation]: "a new version", [bypassByAnnotation]: "ada" });
		assert.ok(Math.abs(Date.parse(until) - Date.now() - 600_000) < 60_000, until);
	});

	it("that is refused leaves nothing on the Pod that could happen later", async () => {
		const api = new AnsweringApi();
		api.add("web");
		api.refusal = "no spare listens";
		const [outcome] = await orderPods(api, "web", shop, bypass);
		assert.deepEqual([outcome?.isDone, outcome?.because], [false, "no spare listens"]);
		assert.deepEqual(await api.annotationsOf("web"), {});
	});

	it("is not written onto a pod that no agent serves", async () => {
		const api = new AnsweringApi();
		api.add("plain", {}, false);
		const [outcome] = await orderPods(api, "plain", shop, bypass);
		assert.match(outcome?.because ?? "", /it has no proxy of Keepmesh/);
		assert.ok(!api.asked.some((asked) => asked.startsWith("PATCH")));
	});

	it("of all pods is of those that are served, and given back where it was asked for", async () => {
		const api = new AnsweringApi();
		api.add("web");
		api.add("other", { [bypassAnnotation]: "why" });
		api.add("plain", {}, false);
		const restored = await orderPods(api, undefined, { all: true }, { verb: "restore" });
		assert.deepEqual(
			restored.map(({ pod }) => pod.name),
			["other"],
		);
		assert.deepEqual(await api.annotationsOf("other"), {});
		const bypassed = await orderPods(api, undefined, { all: true }, bypass);
		assert.deepEqual(bypassed.map(({ pod }) => pod.name).sort(), ["other", "web"]);
	});
});
