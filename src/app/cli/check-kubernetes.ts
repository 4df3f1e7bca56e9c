// keepmesh check --kubernetes: whether a cluster is ready for the mesh, or the mesh in it is well.

import { countLevels } from "../../host-check/check-host.ts";
import { levels } from "../../host-check/setting.ts";
import { checkBefore } from "../../install/check-before.ts";
import { checkInstalled } from "../../install/check-installed.ts";
import { type ClusterFlags, findCluster } from "../install/find-cluster.ts";
import { readClusterFacts } from "../install/read-cluster-facts.ts";
import { type CheckFormat, printFindings, summaryOf } from "./check-output.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { say } from "./terminal.ts";

export interface KubernetesCheckFlags extends ClusterFlags {
	readonly beforeInstall: boolean;
	readonly namespace: string;
	readonly revision: string;
	readonly output: CheckFormat;
	readonly all: boolean;
}

export async function checkKubernetes(flags: KubernetesCheckFlags): Promise<void> {
	const { client } = findCluster(flags);
	try {
		const facts = await readClusterFacts(client, flags.namespace);
		const unsorted = flags.beforeInstall ? checkBefore(facts, flags.revision) : checkInstalled(facts);
		const findings = unsorted.toSorted((a, b) => levels.indexOf(a.level) - levels.indexOf(b.level));
		await printFindings(findings, flags.output, flags.all);
		if (countLevels(findings).must === 0) return say(summaryOf(findings));
		const remedy = findings.find(({ level }) => level === "must")?.remedy;
		throw new CliError(exitCodes.failure, summaryOf(findings), remedy ?? "keepmesh check --kubernetes -o wide");
	} finally {
		client.close();
	}
}
