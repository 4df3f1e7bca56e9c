// The group of control planes for drills, made of a lab: asked over their APIs, killed as processes.

import type { DrillLeader } from "../../lab/drill/drill-leader.ts";
import type { Lab } from "../../lab/lab.ts";
import type { ReplicaStatus } from "../control/replicas/replica-group.ts";
import { until } from "../demo/applied-everywhere.ts";
import { askControl, requestControl } from "../demo/control-query.ts";
import { requestInNamespace } from "../demo/namespace-request.ts";
import { numberHeader, numberRule } from "./outage-rules.ts";

export async function labLeader(lab: Lab): Promise<DrillLeader> {
	const { client, controls } = await lab.status();
	const caller = (await lab.pods()).find(
		({ labels, readySinceMs, deletedMs }) =>
			labels.app === "client" && readySinceMs !== undefined && deletedMs === undefined,
	);
	if (!caller || controls.length < 2) throw new Error("a caller and two control planes are needed");
	const { stdout } = await lab.execIn(caller.name, ["getent", "ahostsv4", "server.default.svc.cluster.local"]);
	const [serverAddress = ""] = stdout.split(/\s/);
	const statuses = () =>
		Promise.all(controls.map((control) => askControl<ReplicaStatus>(lab, control, "GET", "/api/v1/replicas")));
	let leads = "";
	return {
		whole: () =>
			until("one control plane leads and the others follow", async () => {
				const all = await statuses().catch(() => []);
				const [first] = all;
				leads = first?.leader ?? "";
				return (
					all.length === controls.length &&
					leads !== "" &&
					all.filter(({ role }) => role === "leader").length === 1 &&
					all.every(({ leader, peers, revision }) => {
						const isWhole = peers.every(({ id, has }) => id !== undefined && has === first?.revision);
						return leader === leads && revision === first?.revision && isWhole;
					})
				);
			}),
		killLeader: async () => {
			if (!(await lab.signalProcess(leads, "SIGKILL"))) throw new Error(`${leads} does not run`);
		},
		write: async (number) => {
			const control = controls.find(({ name }) => name !== leads);
			if (!control) throw new Error("no other control plane lives");
			const call = { method: "PUT", body: numberRule(number), timeoutMs: 10_000 };
			const { status, text } = await requestControl(client, control, "/api/v1/resources", call);
			if (status !== 200) throw new Error(`${control.name} answers ${status} to a change: ${text.slice(0, 300)}`);
		},
		numberSeen: async () => {
			const target = { netns: caller.netns, host: serverAddress, port: 8080 };
			const { status, headers } = await requestInNamespace(target, "/get", { timeoutMs: 2_000 });
			const value = headers[numberHeader];
			return status === 200 && value !== undefined ? Number(value) : undefined;
		},
	};
}
