// The virtual IP in front of the control planes, and with it who leads: a `keepmesh vip` of its own that checks this control plane
// and goes on when it is killed, so that the others hear at once that it is gone. Out: whether this machine owns the address.

import { mkdirSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { stringify } from "yaml";
import { KeptProcess } from "../../../node/kept-process.ts";
import type { VirtualIPSpec } from "../../../resources/kinds/virtual-ip.ts";
import type { Cancel, Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import { vipSocketName } from "../../vip/vip-socket-name.ts";

export interface LeaderVipOptions {
	/** `10.0.0.100/24` */
	readonly address: string;
	/** VRRP's, of the group of control planes. */
	readonly routerId: number;
	/** Default: the one whose network holds the address. */
	readonly interface?: string;
	/** Default 100. */
	readonly priority?: number;
	/** Of this replica's own process; its socket lies in it. */
	readonly directory: string;
	/** Of this control plane: `http://127.0.0.1:15014/readyz`. */
	readonly readyUrl: string;
	readonly node: string;
}

export interface LeaderVip {
	/** Hands the address over, and ends the process. */
	stop(): Promise<void>;
	/** The process goes on. */
	release(): void;
}

const instance = "control-plane";
const againMs = 50;

function virtualIpOfControl(options: LeaderVipOptions): VirtualIPSpec {
	return {
		addresses: [options.address],
		virtualRouterId: options.routerId,
		...(options.interface === undefined ? {} : { interface: options.interface }),
		priority: options.priority ?? 100,
		// A leader stays as long as it is well: each change of leader costs a moment without writes.
		advertInterval: "100ms",
		preempt: false,
		whenAllFail: "release",
		holdDown: "1s",
		maxHoldDown: "10s",
		checks: [
			{
				name: "control-plane",
				http: { url: options.readyUrl },
				interval: "50ms",
				timeout: "250ms",
				startsFailed: true,
				rise: 4,
			},
		],
	};
}

export async function startLeaderVip(
	options: LeaderVipOptions,
	parts: { readonly clock: Clock; readonly log: Log; readonly onOwner: (isOwner: boolean) => void },
): Promise<LeaderVip> {
	const { directory } = options;
	const resources = join(directory, "resources");
	mkdirSync(resources, { recursive: true, mode: 0o700 });
	const manifest = {
		apiVersion: "keepmesh.io/v1alpha1",
		kind: "VirtualIP",
		metadata: { name: instance },
		spec: virtualIpOfControl(options),
	};
	writeFileSync(join(resources, "virtual-ip.yaml"), stringify(manifest));
	const vip = new KeptProcess(
		{
			name: "vip",
			file: process.execPath,
			args: [
				"--no-warnings",
				join(import.meta.dirname, "../../../../bin/keepmesh.ts"),
				...["vip", "run", "--resources", resources, "--node", options.node, "--state", directory],
			],
			logFile: join(directory, "vip.log"),
			record: join(directory, "vip.json"),
		},
		parts,
	);
	await vip.start();
	const end = followRole(join(directory, vipSocketName), parts.clock, (role) => parts.onOwner(role === "MASTER"));
	return {
		stop: async () => {
			end();
			await vip.stop();
		},
		release: () => {
			end();
			vip.release();
		},
	};
}

/** Calls with each role, and with FAULT while the process does not answer. */
function followRole(socketPath: string, clock: Clock, onRole: (role: string) => void): Cancel {
	let isOver = false;
	let cancel: Cancel = () => {};
	let last = "";
	const tell = (role: string): void => {
		if (role !== last && !isOver) onRole(role);
		last = role;
	};
	const open = (): void => {
		const asked = request({ socketPath, path: `/follow?name=${instance}` }, (response) => {
			let text = "";
			response.setEncoding("utf8").on("data", (chunk: string) => {
				const lines = `${text}${chunk}`.split("\n");
				text = lines.pop() ?? "";
				for (const line of lines) tell(roleIn(line));
			});
			response.on("close", again);
			response.on("error", () => {});
		});
		const again = (): void => {
			tell("FAULT");
			cancel = isOver ? () => {} : clock.after(againMs, open);
		};
		asked.on("error", again);
		asked.end();
		cancel = () => asked.destroy();
	};
	open();
	return () => {
		isOver = true;
		cancel();
	};
}

function roleIn(line: string): string {
	try {
		return String((JSON.parse(line) as { readonly role?: unknown }).role ?? "FAULT");
	} catch {
		return "FAULT";
	}
}
