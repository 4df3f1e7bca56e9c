// A rotation in a lab, from the request to its end.

import { setTimeout as sleep } from "node:timers/promises";
import type { RotationKind } from "../../identity/rotation/rotation-state.ts";
import type { Lab } from "../../lab/lab.ts";
import type { RootRotation } from "../../lab/tour/tour-mesh.ts";
import type { CertificatesAnswer, RotationAnswer } from "../api/certificate-routes.ts";
import { askControl } from "./control-query.ts";

const limitMs = 300_000;

/** Resolves when it is done; rejects when it ends in another way, or not at all. */
export async function rotateInLab(lab: Lab, kind: RotationKind): Promise<void> {
	await ask(lab, "POST", `/api/v1/rotation?kind=${kind}`);
	const endMs = performance.now() + limitMs;
	for (;;) {
		const { state, lines } = await ask<RotationAnswer>(lab, "GET", "/api/v1/rotation");
		if (state.phase === "idle") {
			if (state.last?.outcome === "done") return;
			throw new Error(lines.join("; "));
		}
		if (performance.now() > endMs) throw new Error(`not done after ${limitMs / 1000} s: ${lines.join("; ")}`);
		await sleep(100);
	}
}

export async function rotateRoot(lab: Lab): Promise<RootRotation> {
	const startedMs = performance.now();
	const before = await rootsOf(lab);
	await rotateInLab(lab, "root");
	return { before, after: await rootsOf(lab), tookMs: performance.now() - startedMs };
}

async function rootsOf(lab: Lab): Promise<readonly string[]> {
	const { authority } = await ask<CertificatesAnswer>(lab, "GET", "/api/v1/certificates");
	return authority.filter((one) => one.kind === "root").map((one) => one.id);
}

async function ask<Answer>(lab: Lab, method: string, path: string): Promise<Answer> {
	const { controls } = await lab.status();
	const [first] = controls;
	if (!first) throw new Error("the lab has no control plane");
	return askControl<Answer>(lab, first, method, path);
}
