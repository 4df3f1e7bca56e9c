// For tests of the source: a server in memory, time that moves only when told to, and what the source told as short texts.

import assert from "node:assert/strict";
import { FakeApi } from "../../kubernetes/client/fake-api.testing.ts";
import type { ApiResource } from "../../kubernetes/client/resource-path.ts";
import type { Problem } from "../../resources/problem.ts";
import { silentLog } from "../../runtime/log.ts";
import { noMetrics } from "../../runtime/metrics.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { KubernetesSource } from "./kubernetes-source.ts";
import { parseRecord, renderRecord } from "./source-record.ts";
import type { SourceRecordStore } from "./source-record-file.ts";
import { coreKinds, customKinds, secretResource } from "./watched-kinds.ts";

const resourceOf = (kind: string): ApiResource => {
	const found = coreKinds.find((one) => one.kind === kind)?.resource;
	assert.ok(found);
	return found;
};
export const services = resourceOf("Service");
export const pods = resourceOf("Pod");
export const slices = resourceOf("EndpointSlice");
export const istio = (plural: string, kind: string, version = "v1"): ApiResource => ({
	group: "networking.istio.io",
	version,
	plural,
	kind,
	namespaced: true,
});
export const virtualServices = istio("virtualservices", "VirtualService");
export const gateways = istio("gateways", "Gateway");

export class SourceRig {
	readonly api = new FakeApi();
	readonly clock = new VirtualClock();
	problems: readonly Problem[] = [];
	/** What one source leaves to the next. */
	readonly store = new RecordInMemory(this.clock);
	/** From 0 to below 1. */
	random = (): number => 0.5;
	#told: string[] = [];
	#source: KubernetesSource | undefined;

	get source(): KubernetesSource {
		assert.ok(this.#source, "not started");
		return this.#source;
	}

	start(revision?: string): void {
		this.#source = new KubernetesSource({
			client: this.api,
			clock: this.clock,
			log: silentLog,
			metrics: noMetrics,
			random: () => this.random(),
			store: this.store,
			...(revision === undefined ? {} : { revision }),
			onChanges: (changes) => {
				const texts = changes.map((change) =>
					change.type === "objectRemoved"
						? `-${change.key}`
						: `+${change.object.kind}/${change.object.metadata.namespace}/${change.object.metadata.name}`,
				);
				this.#told.push(texts.join(" "));
			},
			onProblems: (now) => {
				this.problems = now;
			},
		});
	}

	close(): void {
		this.#source?.close();
	}

	secret(name: string, namespace: string): void {
		this.api.put(secretResource, { metadata: { name, namespace }, type: "Opaque", data: { key: "dg==" } });
	}

	/** Each text is what was told at once. */
	news(): readonly string[] {
		return this.#told.splice(0);
	}

	/** Lets promises run, then `ms` pass, and then what follows from that. */
	async settle(ms = 1): Promise<void> {
		for (const passMs of [ms, 1, 1]) {
			await turns();
			this.clock.advance(passMs);
		}
		await turns();
	}

	async isReady(): Promise<boolean> {
		return Promise.race([
			this.source.ready.then(() => true),
			new Promise<boolean>((done) => setImmediate(done, false)),
		]);
	}

	define(resource: ApiResource, versions = [resource.version], established = "True"): void {
		const { group, kind, plural } = resource;
		this.api.put(customKinds, {
			metadata: { name: `${plural}.${group}` },
			spec: {
				group,
				scope: "Namespaced",
				names: { plural, kind },
				versions: versions.map((name) => ({ name, served: true })),
			},
			status: { conditions: [{ type: "Established", status: established }] },
		});
	}

	service(name: string, port = 80, more: object = {}) {
		return this.api.put(services, { metadata: { name, namespace: "default", ...more }, spec: { ports: [{ port }] } });
	}

	pod(name: string, namespace: string, labels: Record<string, string>, phase = "Running"): void {
		this.api.put(pods, { metadata: { name, namespace, labels }, spec: {}, status: { phase, podIP: "10.0.0.1" } });
	}
}

class RecordInMemory implements SourceRecordStore {
	text: string | undefined;
	asOfMs = 0;
	saves = 0;
	/** Of one write. */
	costMs = 0;
	readonly #clock: VirtualClock;

	constructor(clock: VirtualClock) {
		this.#clock = clock;
	}

	load() {
		return this.text === undefined ? undefined : { record: parseRecord(this.text, "1"), asOfMs: this.asOfMs };
	}

	async save(...[record, asOfMs]: Parameters<SourceRecordStore["save"]>): Promise<void> {
		const text = [...renderRecord(record, "1")].join("");
		if (this.costMs > 0) await new Promise<void>((done) => this.#clock.after(this.costMs, done));
		this.text = text;
		this.asOfMs = asOfMs;
		this.saves += 1;
	}

	confirm(asOfMs: number): void {
		this.asOfMs = asOfMs;
	}
}

async function turns(): Promise<void> {
	for (let turn = 0; turn < 5; turn++) await new Promise((done) => setImmediate(done));
}
