// What `keepmesh install` and its kin have Helm do, in order. In: what was asked for. Out: argument lists of helm, and what each
// is for. Everything that the charts can do is done by them, so a Helm user types the same.

import { crdsRelease, defaultRevision, releaseOf } from "./release-names.ts";

export interface InstallRequest {
	readonly namespace: string;
	readonly revision: string;
	/** Directory of the charts. */
	readonly charts: string;
	readonly image?: string;
	readonly highAvailability: boolean;
	/** `--set` and `--values` of Helm, for the chart of the mesh. */
	readonly set: readonly string[];
	readonly valuesFiles: readonly string[];
	/** Release name of a gateway to install as well, and what is set for it. */
	readonly gateway?: { readonly name: string; readonly namespace: string; readonly set: readonly string[] };
	/** Kinds are installed by somebody else. */
	readonly skipCrds: boolean;
	/** The values of the release before stay where nothing else is said. */
	readonly keepValues: boolean;
	readonly timeoutSeconds: number;
	readonly access: readonly string[];
	/** Of helm: 4 applies on the server, where fields that somebody else has changed are conflicts. */
	readonly helmMajor: number;
	/** Renders and shows only. */
	readonly dryRun: boolean;
}

export interface HelmStep {
	readonly title: string;
	readonly args: readonly string[];
}

/** Of the step after which the kinds have to be established. */
export const kindsTitle = "kinds";

export const meshTitle = (revision: string): string => `mesh, revision ${revision}`;

export const gatewayTitle = (name: string): string => `gateway ${name}`;

export function installSteps(request: InstallRequest): readonly HelmStep[] {
	const { charts, gateway, namespace, revision, skipCrds } = request;
	// A dry run of an upgrade knows the values that were set before; but on the server it needs the kinds to be there already.
	const isRendered = request.dryRun && !request.keepValues;
	const common = (inNamespace: string, wait = true): readonly string[] => [
		"--namespace",
		inNamespace,
		"--create-namespace",
		...(request.dryRun
			? isRendered
				? []
				: ["--dry-run=server"]
			: [...(wait ? ["--wait"] : []), "--timeout", `${request.timeoutSeconds}s`, "--hide-notes"]),
		...(isRendered || request.helmMajor < 4 ? [] : ["--force-conflicts"]),
		...request.access,
	];
	const upgrade = (release: string, chart: string): readonly string[] => [
		...(isRendered ? ["template"] : ["upgrade", "--install"]),
		release,
		`${charts}/${chart}`,
	];
	const values = [
		...(request.keepValues ? ["--reset-then-reuse-values"] : []),
		...(request.highAvailability ? ["--values", `${charts}/keepmesh/values-ha.yaml`] : []),
		...request.valuesFiles.flatMap((file) => ["--values", file]),
		...(request.image === undefined ? [] : ["--set", `global.image=${request.image}`]),
		...(revision === defaultRevision ? [] : ["--set", `revision=${revision}`]),
		...request.set.flatMap((one) => ["--set", one]),
	];
	return [
		// Kinds that came by `keepmesh crds | kubectl apply` belong to the chart from now on.
		...(skipCrds
			? []
			: [
					{
						title: kindsTitle,
						args: [
							...upgrade(crdsRelease, "crds"),
							...(isRendered ? [] : ["--take-ownership"]),
							...common(namespace, false),
						],
					},
				]),
		{
			title: meshTitle(revision),
			args: [...upgrade(releaseOf(revision), "keepmesh"), ...common(namespace), ...values],
		},
		...(gateway
			? [
					{
						title: gatewayTitle(gateway.name),
						args: [
							...upgrade(gateway.name, "gateway"),
							// Helm would also wait until somebody has given its Service an address.
							...common(gateway.namespace, false),
							...(revision === defaultRevision ? [] : ["--set", `revision=${revision}`]),
							...gateway.set.flatMap((one) => ["--set", one]),
						],
					},
				]
			: []),
	];
}

export interface UninstallRequest {
	readonly namespace: string;
	/** Releases of Helm, gateways first. */
	readonly releases: readonly { readonly name: string; readonly namespace: string }[];
	readonly access: readonly string[];
	readonly timeoutSeconds: number;
	readonly dryRun: boolean;
}

export function uninstallSteps(request: UninstallRequest): readonly HelmStep[] {
	return request.releases.map(({ name, namespace }) => ({
		title: name,
		args: [
			...["uninstall", name, "--namespace", namespace, "--ignore-not-found"],
			...(request.dryRun ? ["--dry-run"] : ["--wait", "--timeout", `${request.timeoutSeconds}s`]),
			...request.access,
		],
	}));
}
