// keepmesh manifest: what a machine runs before there is a cluster to ask, as YAML.

import { Command, InvalidArgumentError } from "commander";
import { addressLine } from "../../vip/keepalived-conf/parse-words.ts";
import { ipAddressBytes } from "../../vip/vrrp/ip-address.ts";
import { print } from "./terminal.ts";

interface VipFlags {
	readonly address: string;
	readonly virtualRouterId?: number;
	readonly interface?: string;
	readonly apiPort: number;
	readonly machine: readonly { readonly name: string; readonly address: string }[];
	readonly image: string;
	readonly kubeconfig: string;
}

export function manifestCommand(): Command {
	return new Command("manifest")
		.description("Prints manifests of static pods, for /etc/kubernetes/manifests.")
		.addCommand(vipManifestCommand());
}

function vipManifestCommand(): Command {
	return new Command("vip")
		.description("The static pod that holds the API server's address on the machines of a control plane.")
		.requiredOption("--address <address/length>", "the API server's, such as 10.0.0.100/24", anAddress)
		.option("--virtual-router-id <id>", "VRRP's id, 1 to 255 (default: the last byte of the address)", upTo(255))
		.option("--interface <name>", "where it goes (default: the one whose network holds it)")
		.option("--api-port <port>", "of the API server on each machine", upTo(65_535), 6443)
		.option(
			"--machine <name=address>",
			"speak unicast with this machine; once for each, the preferred one first (default: multicast)",
			aMachine,
			[],
		)
		.option("--image <name>", "of Keepmesh", "keepmesh:latest")
		.option(
			"--kubeconfig <file>",
			"of the machines: once it works, what the cluster says is held as well; none: never",
			"/etc/kubernetes/admin.conf",
		)
		.action(async ({ apiPort, kubeconfig, machine, ...rest }: VipFlags) => {
			const { vipManifest } = await import("../../kubernetes/vip/vip-manifest.ts");
			const { stringify } = await import("yaml");
			const file = kubeconfig === "none" ? {} : { kubeconfig };
			print(stringify(vipManifest({ ...rest, port: apiPort, nodes: machine, ...file })).trimEnd());
		});
}

function anAddress(text: string): string {
	if (!/^[^/\s]+\/\d+$/.test(text)) throw new InvalidArgumentError("write it like 10.0.0.100/24");
	addressLine(text, (_severity, message) => {
		throw new InvalidArgumentError(message);
	});
	return text;
}

const upTo =
	(most: number) =>
	(text: string): number => {
		const value = Number(text);
		if (!Number.isInteger(value) || value < 1 || value > most) throw new InvalidArgumentError(`not from 1 to ${most}`);
		return value;
	};

function aMachine(text: string, before: VipFlags["machine"]): VipFlags["machine"] {
	const [name = "", address = "", ...more] = text.split("=");
	if (name === "" || more.length > 0 || !ipAddressBytes(address))
		throw new InvalidArgumentError("write it like n1=10.0.0.11");
	return [...before, { name, address }];
}
