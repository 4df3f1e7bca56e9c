// A rule that numbers the answers to the drill's client, as a VirtualService in the drill's namespace, for that namespace alone. In:
// numbers to write. Out: which number every control plane has, and which one an answer carries.

import { Refused } from "../../kubernetes/client/refused.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import { servedPort } from "../../kubernetes/drill/drill-order.ts";
import type { ResourceItem } from "../api/api-types.ts";
import type { ClusterControl, ClusterControls } from "./cluster-controls.ts";
import { objectOf, virtualServices } from "./drill-kinds.ts";
import type { DrillPlace } from "./drill-place.ts";
import type { KubernetesMeshLoad } from "./kubernetes-mesh-load.ts";
import { numberHeader } from "./outage-rules.ts";

const numberName = "drill-number";
/** Writes on the way to the API server at once; the last one always goes alone. */
const mostUnderWay = 20;

export class KubernetesNumberRule {
	readonly #place: DrillPlace;
	readonly #load: KubernetesMeshLoad;
	readonly #controls: ClusterControls;
	readonly #underWay = new Set<Promise<unknown>>();

	constructor(place: DrillPlace, load: KubernetesMeshLoad, controls: ClusterControls) {
		this.#place = place;
		this.#load = load;
		this.#controls = controls;
	}

	/** Resolves when the API server has it. */
	async write(number: number): Promise<void> {
		await Promise.all(this.#underWay);
		await this.#put(number);
	}

	/** Without waiting; of several the last one need not win. */
	async writeSoon(number: number): Promise<void> {
		while (this.#underWay.size >= mostUnderWay) await Promise.race(this.#underWay);
		const put = this.#put(number).finally(() => this.#underWay.delete(put));
		put.catch(() => {});
		this.#underWay.add(put);
	}

	/** Resolves when every control plane has it in force. */
	async change(number: number): Promise<void> {
		await this.write(number);
		const said = `"${number}"`;
		await this.untilEverywhere(numberName, (item) => JSON.stringify(item?.manifest ?? {}).includes(said));
	}

	async untilEverywhere(name: string, holds: (item: ResourceItem | undefined) => boolean): Promise<void> {
		const controls = await this.#controls.ready();
		await this.#place.pods.until(`every control plane knows what ${name} says`, async () => {
			const items = await Promise.all(controls.map((control) => this.itemAt(control, name)));
			return items.every(holds) ? true : undefined;
		});
	}

	async itemAt(control: ClusterControl, name: string): Promise<ResourceItem | undefined> {
		const { namespace } = this.#place.pods.options;
		const path = `/api/v1/resources?kind=VirtualService&namespace=${namespace}&name=${name}`;
		return (await this.#controls.ask<{ readonly items: readonly ResourceItem[] }>(control, path)).items[0];
	}

	/** Undefined: the answer carries none, or was none, which is the load's to count. */
	async numberSeen(): Promise<number | undefined> {
		const { address: host, client, headers } = this.#load;
		const answer = await this.#place.pods
			.order<{ readonly status: number; readonly headers: Readonly<Record<string, string>> }>(client, {
				...{ order: "ask", host, port: servedPort, headers },
			})
			.catch(() => undefined);
		const value = answer?.status === 200 ? answer.headers[numberHeader] : undefined;
		return value === undefined ? undefined : Number(value);
	}

	async #put(number: number): Promise<void> {
		const { servers } = this.#load;
		const set = { [numberHeader]: String(number) };
		const route = [{ destination: { host: servers } }];
		const spec = { hosts: [servers], exportTo: ["."], http: [{ headers: { response: { set } }, route }] };
		const { client, limitMs, pods } = this.#place;
		const path = pathOf(virtualServices, pods.options.namespace, numberName);
		await pods.until(`the API server takes ${numberName}`, async () => {
			const answer = await client.request("PATCH", path, {
				body: objectOf(virtualServices, numberName, spec),
				contentType: "application/apply-patch+yaml",
				query: { fieldManager: "keepmesh-drill", force: true },
				timeoutMs: limitMs,
			});
			if (answer.status < 300) return true;
			const refused = Refused.of(answer);
			if (refused.isFinal) throw refused;
			return undefined;
		});
	}
}
