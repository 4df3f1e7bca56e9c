// A lab that runs Istio's Bookinfo as its authors wrote it, for tests of files from the field: bring a file in for a while, look
// at pages through the gateway, call services from inside pods.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { applyEverywhere, removeEverywhere } from "../../src/app/demo/applied-everywhere.ts";
import { labTourMesh } from "../../src/app/demo/lab-tour-mesh.ts";
import { startLab } from "../../src/app/lab.ts";
import type { Lab, RunningPod } from "../../src/lab/lab.ts";
import { labDown } from "../../src/lab/lab-down.ts";
import type { LoadReport } from "../../src/lab/load/load-report.ts";

const inputs = fileURLToPath(new URL("../../../shared/inputs/istio/", import.meta.url));
export const networkingDirectory = join(inputs, "bookinfo-networking");

/** Why tests over these files cannot run here; false when they can. */
export const fieldLabCannotRun: string | false =
	process.getuid?.() !== 0 ? "needs root" : existsSync(inputs) ? false : "the files from the field are not here";

export interface Page {
	readonly status: number;
	/** Lower-case names. */
	readonly headers: Readonly<Record<string, string>>;
	readonly body: string;
	readonly tookMs: number;
}

export class FieldLab {
	readonly lab: Lab;

	constructor(lab: Lab) {
		this.lab = lab;
	}

	/** Up, with all of Bookinfo ready. Takes down what it made when it fails. */
	static async up(name: string): Promise<FieldLab> {
		try {
			const lab = await startLab({ name });
			const outcome = await lab.apply(
				readFileSync(join(inputs, "bookinfo-kube/bookinfo.yaml"), "utf8"),
				"bookinfo.yaml",
			);
			if (!outcome.ok) throw new Error(JSON.stringify(outcome.problems));
			const pending = await lab.untilRolledOut(60_000);
			if (pending.length > 0) throw new Error(`not ready: ${pending.join(", ")}`);
			return new FieldLab(lab);
		} catch (error) {
			await labDown(name);
			throw error;
		}
	}

	apply(file: string): Promise<void> {
		return applyEverywhere(this.lab, networkingFile(file), file);
	}

	/** The file's resources are there only while `check` runs. */
	async whileApplied(file: string, check: () => Promise<void>): Promise<void> {
		await this.apply(file);
		try {
			await check();
		} finally {
			await removeEverywhere(this.lab, networkingFile(file), file);
		}
	}

	/** A pod by the beginning of its name. */
	async pod(beginning: string): Promise<RunningPod> {
		const pods = await this.lab.pods();
		const pod = pods.find((one) => one.name.startsWith(beginning) && one.deletedMs === undefined);
		if (!pod) throw new Error(`there is no pod ${beginning}`);
		return pod;
	}

	/** From the client, outside of the mesh, through the gateway. */
	async page(path = "/productpage", options: { readonly user?: string; readonly host?: string } = {}): Promise<Page> {
		const { address } = await this.pod("istio-ingressgateway");
		const headers = {
			host: options.host ?? "bookinfo.example",
			...(options.user ? { cookie: `session=${options.user}` } : {}),
		};
		return this.get("client", `http://${address}:8080${path}`, headers);
	}

	/** `from`: the client, or the beginning of a pod's name. Status 0: no answer. */
	async get(from: string, url: string, headers: Readonly<Record<string, string>> = {}): Promise<Page> {
		const place = from === "client" ? from : (await this.pod(from)).name;
		const named = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
		const startedMs = performance.now();
		const { stdout } = await this.lab.execIn(place, ["curl", "-sS", "-i", "-m", "20", ...named, url]);
		const tookMs = performance.now() - startedMs;
		const [head = "", ...rest] = stdout.split("\r\n\r\n");
		const [first = "", ...lines] = head.split("\r\n");
		const pairs = lines.map((line) => [line.split(":")[0]?.toLowerCase() ?? "", line.replace(/^[^:]*:\s*/, "")]);
		return {
			status: Number(first.split(" ")[1] ?? 0),
			headers: Object.fromEntries(pairs),
			body: rest.join("\r\n\r\n"),
			tookMs,
		};
	}

	/** Product pages as fast as they come, counted by the version of the reviews in them. */
	load(requests: number, user?: string): Promise<LoadReport> {
		return labTourMesh(this.lab).send({
			path: "/productpage",
			requests,
			concurrency: 4,
			countHeader: "x-reviews-version",
			...(user ? { headers: { cookie: `session=${user}` } } : {}),
		});
	}

	/** The sum of an Envoy's counters whose names match. */
	async counter(pod: string, filter: string): Promise<number> {
		const { body } = await this.get(pod, `http://127.0.0.1:15000/stats?filter=${encodeURIComponent(filter)}`);
		return body
			.split("\n")
			.map((line) => Number(/: (\d+)$/.exec(line)?.[1] ?? 0))
			.reduce((sum, value) => sum + value, 0);
	}
}

export function networkingFile(file: string): string {
	return readFileSync(join(networkingDirectory, file), "utf8");
}
