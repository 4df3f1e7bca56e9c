// keepmesh crds: the CustomResourceDefinitions of the mesh, for kubectl apply.

import { Command, Option } from "commander";
import { print, printJson } from "./terminal.ts";

interface CrdsOptions {
	readonly istio?: boolean;
	readonly output: "yaml" | "json";
}

export function crdsCommand(): Command {
	return new Command("crds")
		.description("Prints the kinds of Keepmesh for Kubernetes: keepmesh crds | kubectl apply --server-side -f -")
		.option("--istio", "Istio's kinds as well, for clusters that have no Istio")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["yaml", "json"]).default("yaml"))
		.action(printCrds);
}

async function printCrds({ istio, output }: CrdsOptions): Promise<void> {
	const [{ keepmeshCrds }, { istioCrds }] = await Promise.all([
		import("../../kubernetes/crds/keepmesh-crds.ts"),
		import("../../kubernetes/crds/istio-crds.ts"),
	]);
	const items = [...keepmeshCrds(), ...(istio ? istioCrds() : [])];
	if (output === "json") printJson({ apiVersion: "v1", kind: "List", items });
	else {
		const { stringify } = await import("yaml");
		print(items.map((item) => stringify(item, { aliasDuplicateObjects: false, lineWidth: 0 })).join("---\n"));
	}
}
