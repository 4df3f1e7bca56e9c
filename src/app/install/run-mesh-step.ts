// The step of Helm that starts the mesh's own parts: ends with what keeps them from starting, and takes an upgrade back that cannot
// succeed, so that what served before goes on.

import type { HelmStep } from "../../install/helm-steps.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { CliError, exitCodes } from "../cli/cli-error.ts";
import { say } from "../cli/terminal.ts";
import { runHelm } from "./run-helm.ts";
import { runSteps } from "./run-steps.ts";
import { watchTroubles } from "./watch-troubles.ts";

export interface MeshStep {
	readonly step: HelmStep;
	readonly release: string;
	readonly namespace: string;
	readonly revision: string;
	/** Number of the release's version that is in force; absent: there is none to go back to. */
	readonly inForce?: string;
	readonly timeoutSeconds: number;
	readonly access: readonly string[];
	readonly interrupted: AbortSignal;
}

/** Rejects with CliError. */
export async function runMeshStep(client: KubernetesClient, mesh: MeshStep): Promise<void> {
	const { interrupted, namespace, revision, step } = mesh;
	const troubles = await watchTroubles(client, { namespace, revision });
	try {
		await runSteps([step], false, AbortSignal.any([interrupted, troubles.hopeless]));
	} catch (error) {
		if (interrupted.aborted || !(error instanceof CliError)) throw error;
		const found = await troubles.now().catch(() => []);
		if (found.length === 0 && !/deadline|timed out|not ready/i.test(error.message)) throw error;
		const reason = found.length > 0 ? found.join("; ") : error.message;
		throw await givenUp(mesh, reason);
	} finally {
		troubles.close();
	}
}

async function givenUp(mesh: MeshStep, reason: string): Promise<CliError> {
	const { access, inForce, interrupted, namespace, release, timeoutSeconds } = mesh;
	if (inForce === undefined)
		return new CliError(
			exitCodes.failure,
			`the mesh does not start: ${reason}`,
			"keepmesh check --kubernetes; then the same again with what is right, or keepmesh uninstall",
		);
	say(`the upgrade does not start: ${reason}`);
	say(`going back to version ${inForce} of release ${release}, which serves on`);
	const args = ["rollback", release, inForce, "--namespace", namespace, "--wait", "--timeout", `${timeoutSeconds}s`];
	try {
		await runHelm([...args, ...access], { interrupt: interrupted });
	} catch (error) {
		const because = error instanceof Error ? error.message : String(error);
		return new CliError(
			exitCodes.failure,
			`${reason}; and it could not be taken back: ${because}`,
			`helm ${args.join(" ")}`,
		);
	}
	return new CliError(exitCodes.failure, `taken back: ${reason}`, "keepmesh upgrade with what is right");
}
