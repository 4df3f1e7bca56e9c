// Looks at a cluster before something is installed, and refuses where something must change first.

import { countLevels } from "../../host-check/check-host.ts";
import { checkBefore } from "../../install/check-before.ts";
import type { ClusterFacts } from "../../install/cluster-facts.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { renderFindings, summaryOf } from "../cli/check-output.ts";
import { CliError, exitCodes } from "../cli/cli-error.ts";
import { say } from "../cli/terminal.ts";
import { readClusterFacts } from "./read-cluster-facts.ts";

export interface BeforeInstall {
	readonly namespace: string;
	readonly revision: string;
	/** Go on all the same. */
	readonly force: boolean;
}

/** What was seen. Rejects with CliError. */
export async function judgeBefore(
	client: KubernetesClient,
	{ namespace, revision, force }: BeforeInstall,
): Promise<ClusterFacts> {
	const facts = await readClusterFacts(client, namespace);
	const findings = checkBefore(facts, revision);
	const wrong = findings.filter(({ level }) => level === "must" || level === "should");
	if (wrong.length > 0) say(renderFindings(wrong));
	if (countLevels(findings).must === 0 || force) return facts;
	throw new CliError(
		exitCodes.failure,
		`the cluster is not ready: ${summaryOf(findings)}`,
		"keepmesh check --kubernetes --before-install -o wide",
	);
}
