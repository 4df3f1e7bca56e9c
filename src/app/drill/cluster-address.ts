// A virtual IP of two nodes of a cluster, and ways to break its owner (DrillVirtualIp). Faults are done by the drill's privileged pods on
// these nodes; each lasts two minutes at most, and ends with its pod.

import { setTimeout as sleep } from "node:timers/promises";
import { cutRules, type DrilledRouter, partRules } from "../../kubernetes/drill/fault-rules.ts";
import type { RunningLoad } from "../../lab/drill/drill-mesh.ts";
import type { DrillVirtualIp } from "../../lab/drill/drill-virtual-ip.ts";
import type { Apart } from "../../lab/drill/owners-seen.ts";
import { dropReasons } from "../../vip/vrrp/drop-reason.ts";
import type { InstanceStatus, VipStatus } from "../vip/vip-status.ts";
import { AddressWatch, type Cut } from "./address-watch.ts";
import type { DrillPlace } from "./drill-place.ts";
import { checkName, type DrillAddress, setHeartbeat } from "./kubernetes-vip-address.ts";
import { hasAddress, type VipNode } from "./kubernetes-vip-node.ts";
import { endRemote, startRemote } from "./remote-program.ts";

const forgedOfEachForm = 200;
const faultLimitMs = 120_000;
const lookMs = 20;

export class ClusterAddress implements DrillVirtualIp {
	readonly #place: DrillPlace;
	readonly #nodes: readonly VipNode[];
	readonly #stranger: VipNode | undefined;
	readonly #given: DrillAddress;
	readonly #watch: AddressWatch;
	/** Of each node. */
	readonly #routers = new Map<VipNode, InstanceStatus>();
	/** No other address is on these nodes. */
	#isAlone = false;
	#apart: Apart[] = [];
	#cuts: Cut[] = [];

	/** `stranger`: a node that never has the address. Without one the client is on the node that does not own it at first. */
	constructor(place: DrillPlace, nodes: readonly VipNode[], stranger: VipNode | undefined, given: DrillAddress) {
		this.#place = place;
		this.#nodes = nodes;
		this.#stranger = stranger;
		this.#given = given;
		this.#watch = new AddressWatch(given.address);
	}

	get nodes(): readonly string[] {
		return this.#nodes.map(({ name }) => name);
	}

	/** Resolves when one node owns the address, and both have heard of each other. */
	async start(): Promise<void> {
		const { address } = this.#given;
		for (const node of this.#nodes) {
			await this.#until(`the vip process of ${node.name} has the address`, async () => {
				const router = await node.router(address).catch(() => undefined);
				if (router) this.#routers.set(node, router);
				return router !== undefined;
			});
			await this.#watch.watch(node, this.#linkOf(node));
		}
		const statuses = await Promise.all(this.#nodes.map((node) => node.status()));
		this.#isAlone = statuses.every(({ instances }) => instances.every((one) => hasAddress(one, address)));
		await this.#untilOwned();
		await sleep(2_000);
	}

	async close(): Promise<void> {
		await this.#given.remove();
		for (const node of this.#nodes) await node.order({ order: "lift" }).catch(() => {});
		for (const node of this.#nodes) await endRemote(node, "http-service").catch(() => {});
		await this.#watch.close();
	}

	async startLoad(): Promise<RunningLoad> {
		await this.#untilOwned();
		await this.#spareOthers();
		this.#apart = [];
		this.#cuts = [];
		const owner = await this.#owner();
		const client = this.#stranger ?? this.#nodes.find((node) => node !== owner);
		if (!client) throw new Error("there is no node to probe from");
		await this.#watch.begin(client);
		return { stop: () => this.#watch.stop({ apart: this.#apart, cuts: this.#cuts }) };
	}

	async owner(): Promise<string | undefined> {
		return (await this.#owner())?.name;
	}

	async untilOwner(name: string): Promise<void> {
		const until = { order: "untilHolds", address: this.#given.address, withinMs: this.#place.limitMs } as const;
		const others = this.#nodes.filter((node) => !this.#isCut(node));
		await Promise.all(others.map((node) => node.order({ ...until, holds: node.name === name })));
	}

	async crash(name: string): Promise<void> {
		const node = this.#node(name);
		await this.#refuseToMoveOthers(node);
		const fromUs = await node.crash(cutRules(this.#drilled), faultLimitMs);
		this.#cuts.push({ node, fromUs });
	}

	async repair(name: string): Promise<void> {
		const node = this.#node(name);
		await this.#untilStartedAgain(node);
		await this.#until(`${name} no longer has the address`, async () => !(await node.holds(this.#given.address)));
		const { atUs } = await node.order<{ atUs: number }>({ order: "lift" });
		for (const cut of this.#cuts) if (cut.node === node) cut.toUs = atUs;
		await this.untilRuns(name);
	}

	async stop(name: string): Promise<void> {
		const node = this.#node(name);
		await this.#refuseToMoveOthers(node);
		await node.deleteVipPod();
	}

	async untilRuns(name: string): Promise<void> {
		const node = this.#node(name);
		await this.#until(`the vip process of ${name} is a backup or the owner`, async () => {
			const role = (await node.router(this.#given.address).catch(() => undefined))?.state;
			return role === "BACKUP" || role === "MASTER";
		});
	}

	async killService(name: string): Promise<void> {
		const node = this.#node(name);
		if (this.#given.servicePort === undefined)
			throw new Error(`${this.#given.address} has checks of its own: this drill needs an address of a pool`);
		await this.#watch.answers(node, false);
		await endRemote(node, "http-service");
	}

	async reviveService(name: string): Promise<void> {
		const node = this.#node(name);
		await startRemote(node, "http-service", [this.#given.servicePort ?? 0]);
		await this.#watch.answers(node, true);
		await this.#until(`the check of ${name} is good again`, async () => {
			const { trackers } = await node.status();
			return trackers.some((one) => one.name.endsWith(checkName) && one.status === "up");
		});
	}

	async part(): Promise<void> {
		if (!this.#isAlone) await this.#heartbeat("off");
		this.#apart = [{ fromUs: await this.#watch.clientUs(), toUs: Number.POSITIVE_INFINITY }];
		await Promise.all(
			this.#nodes.map((node) => {
				const peers = this.#nodes.filter((one) => one !== node).map(({ nodeIp }) => nodeIp);
				const commands = partRules(this.#drilled, peers, this.#isAlone);
				return node.order({ order: "hold", commands, withinMs: faultLimitMs });
			}),
		);
	}

	async heal(): Promise<number> {
		await Promise.all(this.#nodes.map((node) => node.order({ order: "lift" })));
		const healedMs = performance.now();
		await this.#untilOwned();
		const tookMs = performance.now() - healedMs;
		const toUs = await this.#watch.clientUs();
		this.#apart = this.#apart.map(({ fromUs }) => ({ fromUs, toUs }));
		if (!this.#isAlone) await this.#heartbeat("default");
		return tookMs;
	}

	async forge(): Promise<{ readonly sent: number; readonly dropped: number }> {
		const owner = await this.#owner();
		const before = await this.#dropped();
		const sentTo = new Map<VipNode, number>();
		const forge = async (from: VipNode, link: string, to: readonly VipNode[]): Promise<void> => {
			const { address, virtualRouterId } = this.#drilled;
			const what = { address, virtualRouterId, count: forgedOfEachForm, interface: link, source: from.nodeIp };
			const order = { order: "forge", ...what, to: to.map(({ nodeIp }) => nodeIp) } as const;
			const { sent } = await from.order<{ sent: number }>(order);
			for (const node of to) sentTo.set(node, (sentTo.get(node) ?? 0) + sent / to.length);
		};
		// A stranger on the network; and, where there is a key, whoever sends from a peer's own address.
		const [first] = this.#nodes;
		if (this.#stranger && first) await forge(this.#stranger, this.#linkOf(first), this.#nodes);
		if (this.#given.hasKey)
			for (const node of this.#nodes) if (owner && node !== owner) await forge(node, this.#linkOf(node), [owner]);
		if (sentTo.size === 0)
			throw new Error(
				"adverts have no key, as those of other addresses here, and there is no third node to forge from",
			);
		await sleep(100);
		const after = await this.#dropped();
		const droppedAt = (node: VipNode): number => (after.get(node) ?? 0) - (before.get(node) ?? 0);
		const dropped = [...sentTo].map(([node, sent]) => Math.min(sent, droppedAt(node)));
		return { sent: sum([...sentTo.values()]), dropped: sum(dropped) };
	}

	get #drilled(): DrilledRouter {
		const [router] = this.#routers.values();
		if (!router) throw new Error("the address does not run");
		return { address: this.#given.address, virtualRouterId: router.virtualRouterId };
	}

	#linkOf(node: VipNode): string {
		return this.#routers.get(node)?.interface ?? "";
	}

	#node(name: string): VipNode {
		const found = this.#nodes.find((one) => one.name === name);
		if (!found) throw new Error(`there is no node ${name}`);
		return found;
	}

	#isCut(node: VipNode): boolean {
		return this.#cuts.some((cut) => cut.node === node && cut.toUs === undefined);
	}

	async #owner(): Promise<VipNode | undefined> {
		const { address } = this.#given;
		const held = await Promise.all(this.#nodes.map(async (node) => !this.#isCut(node) && (await node.holds(address))));
		const owners = this.#nodes.filter((_, index) => held[index]);
		return owners.length === 1 ? owners[0] : undefined;
	}

	#untilOwned(): Promise<void> {
		return this.#until("one node owns the address", async () => (await this.#owner()) !== undefined);
	}

	async #othersOf(node: VipNode): Promise<readonly InstanceStatus[]> {
		const { instances } = await node.status();
		return instances.filter((one) => one.state === "MASTER" && !hasAddress(one, this.#given.address));
	}

	/** What breaks is best a node that owns nothing else. An address of the user's stays where it is. */
	async #spareOthers(): Promise<void> {
		if (this.#given.servicePort === undefined) return;
		const owner = await this.#owner();
		const other = this.#nodes.find((node) => node !== owner);
		if (!owner || !other || (await this.#othersOf(owner)).length === 0) return;
		if ((await this.#othersOf(other)).length > 0) return;
		await owner.handOver(this.#routers.get(owner)?.name ?? "", other.name);
		await this.untilOwner(other.name);
	}

	/** All that the node owns moves when its vip process ends. */
	async #refuseToMoveOthers(node: VipNode): Promise<void> {
		if (this.#place.moveOthers) return;
		const others = await this.#othersOf(node);
		if (others.length === 0) return;
		const named = others.map(({ addresses, name }) => `${name} (${addresses.join(", ")})`).join(", ");
		throw new Error(`${node.name} also owns ${named}, which would move as well: allow it by --move-others`);
	}

	/** A Pod whose process kubelet is in no hurry to start again is deleted: its DaemonSet makes another one at once. */
	#untilStartedAgain(node: VipNode): Promise<void> {
		return this.#until(`a vip process runs on ${node.name} again`, async () => {
			if (await node.status().catch(() => undefined)) return true;
			if ((await node.vipPod().catch(() => undefined))?.isHeldBack) await node.deleteVipPod(1).catch(() => {});
			return false;
		});
	}

	async #heartbeat(fastHeartbeat: "default" | "off"): Promise<void> {
		await setHeartbeat(this.#place, this.#given, fastHeartbeat);
		await this.#until(`the heartbeat is ${fastHeartbeat}`, async () => {
			const routers = await Promise.all(this.#nodes.map((node) => node.router(this.#given.address)));
			return routers.every(({ nodes }) => (nodes.length === 0) === (fastHeartbeat === "off"));
		});
	}

	async #dropped(): Promise<ReadonlyMap<VipNode, number>> {
		const counted = this.#nodes.map(async (node) => [node, droppedOf(await node.status())] as const);
		return new Map(await Promise.all(counted));
	}

	async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
		const { limitMs } = this.#place;
		const endMs = performance.now() + limitMs;
		while (!(await holds())) {
			if (performance.now() > endMs) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
			await sleep(lookMs);
		}
	}
}

function droppedOf({ instances, strangers }: VipStatus): number {
	const reasons = Object.keys(dropReasons);
	return sum([...instances, ...strangers].flatMap(({ counters }) => reasons.map((reason) => counters[reason] ?? 0)));
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
