// Outages of the drills, made of a lab: processes that are killed and held down, a node that the lab's switch keeps apart, and
// resource files that are written as an operator would.

import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { setPort } from "../../lab/crash-node.ts";
import type { DrillOutages } from "../../lab/drill/drill-outages.ts";
import type { Lab, RunningPod } from "../../lab/lab.ts";
import type { LabHost } from "../../lab/plan/lab-network.ts";
import type { Problem } from "../../resources/problem.ts";
import type { ResourceItem } from "../api/api-types.ts";
import { askEnvoy } from "../cli/lab-pods.ts";
import { applyEverywhere, until, untilInSync } from "../demo/applied-everywhere.ts";
import { askControl, requestControl } from "../demo/control-query.ts";
import { requestInNamespace } from "../demo/namespace-request.ts";
import { agentPodOf, envoyPidOf, podOf, podsOf, podsOfAgent, restartsOf } from "./drill-pods.ts";
import { redirectOf } from "./lab-redirect.ts";
import { bystanderFile, nonsenseRule, numberHeader, numberRule, readBystander } from "./outage-rules.ts";

const limitMs = 20_000;
/** From then on the lab waits too long before it starts the container once more. */
const mostCrashes = 3;
const numberName = "drill-number";
const nonsenseName = "drill-nonsense";

export async function labOutages(lab: Lab): Promise<DrillOutages> {
	await applyEverywhere(lab, readBystander(), bystanderFile);
	const pending = await lab.untilRolledOut(limitMs);
	if (pending.length > 0) throw new Error(`not ready: ${pending.join(", ")}`);
	const { nodes, controls, client, resources } = await lab.status();
	const ruleFile = join(resources, `${numberName}.yaml`);
	const nonsenseFile = join(resources, `${nonsenseName}.yaml`);

	const caller = await podOf(lab, "client");
	const { stdout } = await lab.execIn(caller.name, ["getent", "ahostsv4", "server.default.svc.cluster.local"]);
	const [serverAddress = ""] = stdout.split(/\s/);
	const call = (from: RunningPod) =>
		requestInNamespace({ netns: from.netns, host: serverAddress, port: 8080 }, "/get", { timeoutMs: 2_000 });

	const ruleAt = async (control: LabHost, name: string): Promise<ResourceItem | undefined> => {
		const path = `/api/v1/resources?kind=VirtualService&namespace=default&name=${name}`;
		return (await askControl<{ items: readonly ResourceItem[] }>(lab, control, "GET", path)).items[0];
	};
	const everyControl = async (what: string, holds: (item: ResourceItem | undefined) => boolean, name: string) => {
		const each = controls.map((control) =>
			until(`${what} at ${control.name}`, async () => holds(await ruleAt(control, name))),
		);
		await Promise.all(each);
	};
	const isNamed = async (control: LabHost, by: "validation" | "envoy"): Promise<boolean> => {
		if (by === "envoy") return ((await ruleAt(control, nonsenseName))?.status.proxies?.rejected ?? []).length > 0;
		const { items } = await askControl<{ items: readonly Problem[] }>(lab, control, "GET", "/api/v1/problems");
		return items.some(({ resource }) => resource.endsWith(`/${nonsenseName}`));
	};
	const write = (number: number): void => replaceFile(ruleFile, numberRule(number));
	const setApart = (apart: boolean) =>
		Promise.all(
			[caller.node, ...controls.map(({ name }) => name)].map((name) =>
				setPort(lab, name, `type bridge_slave isolated ${apart ? "on" : "off"}`),
			),
		);

	/** One whose Envoy has not been killed yet: an agent waits longer each time before it starts one again. */
	async function freshBystander(): Promise<void> {
		const pod = await podOf(lab, "bystander");
		const envoy = (await podsOfAgent(lab, pod.node)).find(({ name }) => name === pod.name);
		if (envoy?.restarts === 0) return;
		await lab.deletePod(pod.namespace, pod.name, 0);
		const late = await lab.untilRolledOut(limitMs);
		if (late.length > 0) throw new Error(`not ready: ${late.join(", ")}`);
		await until("the new pod can call", async () => (await call(await podOf(lab, "bystander"))).status === 200);
	}

	/** The one that crashed least; another in its place when it crashed too often. */
	async function nextServer(): Promise<RunningPod> {
		let [pod] = [...(await podsOf(lab, "server"))].sort((a, b) => restartsOf(a) - restartsOf(b));
		if (pod && restartsOf(pod) >= mostCrashes) {
			await lab.deletePod(pod.namespace, pod.name);
			const late = await lab.untilRolledOut(limitMs);
			if (late.length > 0) throw new Error(`not ready: ${late.join(", ")}`);
			pod = (await podsOf(lab, "server")).find((one) => restartsOf(one) === 0);
		}
		if (!pod) throw new Error("no server is ready");
		return pod;
	}

	return {
		killControlPlanes: async () => {
			await freshBystander();
			await Promise.all(controls.map(({ name }) => lab.holdProcess(name, true)));
			for (const control of controls)
				await until(`${control.name} is dead`, () =>
					requestControl(client, control, "/api/v1/status", { timeoutMs: 500 }).then(
						() => false,
						() => true,
					),
				);
		},
		reviveControlPlanes: async () => {
			await Promise.all(controls.map(({ name }) => lab.holdProcess(name, false)));
			await untilInSync(lab);
		},
		restartEnvoy: async () => {
			const pod = await podOf(lab, "bystander");
			const before = await envoyPidOf(lab, pod);
			if ((await call(pod)).status !== 200) throw new Error(`${pod.name} cannot call`);
			const faultMs = performance.now();
			process.kill(before, "SIGKILL");
			// The spare serves meanwhile: what counts is the Envoy that has its configuration from the disk.
			await until(`${pod.name} has a new Envoy that is ready`, async () => {
				const { pid, ready } = await agentPodOf(lab, pod);
				return ready && pid !== before;
			});
			return performance.now() - faultMs;
		},
		killAgents: async () => {
			const pods = (await lab.pods()).filter(({ proxy }) => proxy === "ready");
			const look = async () => ({
				envoys: (await Promise.all(nodes.map(({ name }) => podsOfAgent(lab, name)))).flat(),
				redirects: await Promise.all(pods.map(({ netns }) => redirectOf(netns))),
			});
			const before = await look();
			if (!before.redirects.some((text) => text.includes("keepmesh"))) throw new Error("no pod has a redirect");
			const faultMs = performance.now();
			for (const { name } of nodes)
				if (!(await lab.signalProcess(name, "SIGKILL"))) throw new Error(`the agent of ${name} does not run`);
			let after = await look();
			while (!after.envoys.every(({ ready }) => ready) || after.envoys.length < before.envoys.length) {
				if (performance.now() - faultMs > limitMs) throw new Error("the agents do not know their pods again");
				await sleep(20);
				after = await look();
			}
			const backMs = performance.now() - faultMs;
			const touched = [
				...before.envoys
					.filter(({ name, pid }) => after.envoys.find((one) => one.name === name)?.pid !== pid)
					.map(({ name }) => `the Envoy of ${name} is another one`),
				...pods
					.filter((_, index) => before.redirects[index] !== after.redirects[index])
					.map(({ name }) => `the redirect of ${name} is another one`),
			];
			return { backMs, touched };
		},
		cut: () => setApart(true).then(() => {}),
		heal: () => setApart(false).then(() => {}),
		write: async (number) => write(number),
		change: async (number) => {
			write(number);
			const said = `"${number}"`;
			await everyControl(
				`change ${number} is in force`,
				(item) => JSON.stringify(item?.manifest ?? {}).includes(said),
				numberName,
			);
		},
		numberSeen: async () => {
			// A request that fails is the load's to count.
			const answer = await call(caller).catch(() => undefined);
			const value = answer?.status === 200 ? answer.headers[numberHeader] : undefined;
			return value === undefined ? undefined : Number(value);
		},
		crashServer: async () => {
			const pod = await nextServer();
			const isChosen = async (): Promise<boolean> => {
				const line = `outbound|8080||server.default.svc.cluster.local::${pod.address}:8080::health_flags::`;
				return (await askEnvoy(caller, "/clusters")).includes(`${line}healthy`);
			};
			await until("the server is chosen", isChosen);
			const faultMs = performance.now();
			await lab.signalPod(pod.namespace, pod.name, "SIGKILL");
			await until("the dead server is no longer chosen", async () => !(await isChosen()));
			const outMs = performance.now() - faultMs;
			await until("the server is chosen again", isChosen);
			return { outMs, backMs: performance.now() - faultMs };
		},
		writeNonsense: async (by) => {
			const writtenMs = performance.now();
			replaceFile(nonsenseFile, nonsenseRule(by));
			await until("the rule without sense is named", async () => {
				const named = await Promise.all(controls.map((control) => isNamed(control, by)));
				// Whoever has no proxy of its own knows of no rejection.
				return by === "validation" ? named.every((is) => is) : named.some((is) => is);
			});
			return performance.now() - writtenMs;
		},
		removeNonsense: async () => {
			rmSync(nonsenseFile, { force: true });
			await everyControl("the rule without sense is gone", (item) => item === undefined, nonsenseName);
		},
	};
}

function replaceFile(file: string, text: string): void {
	writeFileSync(`${file}.tmp`, text);
	renameSync(`${file}.tmp`, file);
}
