// `keepmesh vip feed`, which `vip run --kubernetes` starts: runs until SIGTERM, or until whoever started it has ended.

import { hostname } from "node:os";
import { parseArgs } from "node:util";
import { startLineLog } from "../runtime/line-log.ts";
import { failedProcess } from "./failed-process.ts";
import { openKubernetes } from "./kubernetes/open-kubernetes.ts";
import { defaultVipState } from "./vip/default-state.ts";
import { LateClient } from "./vip-feed/late-client.ts";
import { VipFeed, type VipFeedOptions } from "./vip-feed/vip-feed.ts";

/** Resolves to the exit code (sysexits). */
export async function runVipFeed(args: readonly string[]): Promise<number> {
	const text = { type: "string" } as const;
	const { values } = parseArgs({
		args: [...args],
		options: {
			state: text,
			node: text,
			resources: text,
			"keepalived-conf": text,
			kubeconfig: text,
			"kube-context": text,
			namespace: text,
			"config-map": text,
			"only-own-class": { type: "boolean" },
		},
	});
	const { node = hostname(), state = defaultVipState, resources, kubeconfig } = values;
	const conf = values["config-map"] === undefined ? values["keepalived-conf"] : placeOf(values["config-map"]);
	if (values["config-map"] !== undefined && conf === undefined)
		return failedProcess(64, "--config-map wants NAMESPACE/NAME", "keepmesh vip run --help");
	const options: VipFeedOptions = {
		node,
		state,
		namespace: values.namespace ?? "keepmesh-system",
		takesClassless: values["only-own-class"] !== true,
		...(resources === undefined ? {} : { resources }),
		...(conf === undefined ? {} : { conf }),
	};
	const log = startLineLog({ facts: { part: "vip-feed", node } });
	const stopped = new Promise<void>((done) => {
		process.once("SIGTERM", () => done()).once("SIGINT", () => done());
		process.stdin.on("end", () => done()).resume();
	});
	const access = {
		...(kubeconfig === undefined ? {} : { kubeconfig }),
		...(values["kube-context"] === undefined ? {} : { context: values["kube-context"] }),
	};
	const client = new LateClient(() => openKubernetes(access, "vip"), kubeconfig);
	const feed = new VipFeed(options, client, log);
	await feed.start();
	await stopped;
	await feed.close();
	process.exit(0);
}

function placeOf(text: string): { readonly namespace: string; readonly name: string } | undefined {
	const [namespace = "", name = "", ...more] = text.split("/");
	return namespace === "" || name === "" || more.length > 0 ? undefined : { namespace, name };
}
