import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type InstallRequest, installSteps, uninstallSteps } from "./helm-steps.ts";

const request: InstallRequest = {
	namespace: "keepmesh-system",
	revision: "default",
	charts: "/charts",
	image: "r/keepmesh:1",
	highAvailability: false,
	set: [],
	valuesFiles: [],
	skipCrds: false,
	keepValues: false,
	timeoutSeconds: 60,
	access: ["--kubeconfig", "k"],
	helmMajor: 3,
	dryRun: false,
};
const lines = (change: Partial<InstallRequest>): readonly string[] =>
	installSteps({ ...request, ...change }).map(({ args }) => args.join(" "));

describe("what Helm is asked to do", () => {
	it("is the kinds first, then the mesh, then the gateway", () => {
		const gateway = { name: "istio-ingressgateway", namespace: "istio-ingress", set: ["replicas=3"] };
		assert.deepEqual(lines({ gateway }), [
			"upgrade --install keepmesh-crds /charts/crds --take-ownership --namespace keepmesh-system --create-namespace --timeout 60s --hide-notes --kubeconfig k",
			"upgrade --install keepmesh /charts/keepmesh --namespace keepmesh-system --create-namespace --wait --timeout 60s --hide-notes --kubeconfig k --set global.image=r/keepmesh:1",
			"upgrade --install istio-ingressgateway /charts/gateway --namespace istio-ingress --create-namespace --timeout 60s --hide-notes --kubeconfig k --set replicas=3",
		]);
	});

	it("gives another revision a release of its own, and the kinds to nobody twice", () => {
		const [mesh = "", ...others] = lines({ revision: "1-1", skipCrds: true });
		assert.match(mesh, /^upgrade --install keepmesh-1-1 .* --set revision=1-1/);
		assert.equal(others.length, 0);
	});

	it("lets what is typed win over files, and files over the values for high availability", () => {
		const [, mesh = ""] = lines({ highAvailability: true, valuesFiles: ["/mine.yaml"], set: ["control.replicas=5"] });
		assert.match(
			mesh,
			/--values \/charts\/keepmesh\/values-ha\.yaml --values \/mine\.yaml .*--set control\.replicas=5$/,
		);
	});

	it("keeps what was set before when it upgrades", () => {
		const { image: _, ...upgrade } = request;
		const mesh = installSteps({ ...upgrade, keepValues: true })[1]?.args.join(" ") ?? "";
		assert.match(mesh, /--reset-then-reuse-values/);
		assert.doesNotMatch(mesh, /global\.image/);
	});

	it("takes back fields that others changed, with a helm for which that is a conflict", () => {
		for (const line of lines({ helmMajor: 4 })) assert.match(line, /--force-conflicts/);
		for (const line of lines({ helmMajor: 3 })) assert.doesNotMatch(line, /--force-conflicts/);
	});

	it("changes nothing in a dry run, and waits for nothing", () => {
		for (const keepValues of [true, false])
			for (const line of lines({ dryRun: true, keepValues })) {
				assert.match(line, keepValues ? /^upgrade --install .*--dry-run=server/ : /^template/);
				assert.doesNotMatch(line, /--wait/);
			}
	});

	it("takes releases away in the order that is given", () => {
		const releases = [
			{ name: "istio-ingressgateway", namespace: "istio-ingress" },
			{ name: "keepmesh", namespace: "keepmesh-system" },
		];
		const steps = uninstallSteps({
			namespace: "keepmesh-system",
			releases,
			access: [],
			timeoutSeconds: 9,
			dryRun: false,
		});
		assert.deepEqual(
			steps.map(({ args }) => args.slice(0, 4).join(" ")),
			["uninstall istio-ingressgateway --namespace istio-ingress", "uninstall keepmesh --namespace keepmesh-system"],
		);
	});
});
