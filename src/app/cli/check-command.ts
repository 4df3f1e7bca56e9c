// keepmesh check: what of this machine's settings stands in the way, and why. Exit 0, or 1 when something must change. --fix
// writes /etc/sysctl.d/60-keepmesh.conf and the values in force; --undo takes exactly that back. --kubernetes looks at a cluster.

import { Command, Option } from "commander";
import { checkHost, countLevels } from "../../host-check/check-host.ts";
import { type Use, uses } from "../../host-check/host-facts.ts";
import { MachineRoot } from "../../host-check/probe/machine-root.ts";
import { readHostFacts } from "../../host-check/probe/read-host-facts.ts";
import { type Finding, type Role, roles } from "../../host-check/setting.ts";
import { defaultNamespace, defaultRevision } from "../../install/release-names.ts";
import { findPrograms } from "../host-check/find-programs.ts";
import { fixHost, undoFix } from "../host-check/fix-host.ts";
import { withClusterFlags } from "../install/find-cluster.ts";
import { checkKubernetes, type KubernetesCheckFlags } from "./check-kubernetes.ts";
import { printFindings, summaryOf } from "./check-output.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { counted } from "./count-problems.ts";
import { say } from "./terminal.ts";

interface CheckFlags extends KubernetesCheckFlags {
	readonly kubernetes: boolean;
	readonly for: Role | "all";
	readonly with: readonly Use[];
	readonly fix: boolean;
	readonly loosen: readonly string[];
	readonly dryRun: boolean;
	readonly undo: boolean;
	readonly root: string;
}

export function checkCommand(): Command {
	return withClusterFlags(new Command("check"))
		.description(
			"Looks at this machine's kernel settings, limits, rights and other programs, or at a Kubernetes cluster. Exits 0, or 1 when something must change.",
		)
		.option("--kubernetes", "look at a cluster and the mesh in it instead of this machine", false)
		.option("--before-install", "with --kubernetes: whether it is ready to install into", false)
		.option("-n, --namespace <name>", "with --kubernetes: of the control planes", defaultNamespace)
		.option("--revision <name>", "with --before-install: which one is to be installed", defaultRevision)
		.addOption(new Option("--for <role>", "what the machine is for").choices([...roles, "all"]).default("all"))
		.addOption(new Option("--with <what...>", "what it does beside that").choices([...uses]).default([]))
		.addOption(
			new Option("-o, --output <format>", "how to print").choices(["table", "wide", "json", "yaml"]).default("table"),
		)
		.option("-a, --all", "also what is as it should be, and what is right for some machines only", false)
		.option("--fix", "write a drop-in file for the kernel settings, and set them now", false)
		.option("--loosen <setting...>", "with --fix: settings that may be changed although that opens something", [])
		.option("--dry-run", "with --fix or --undo: only print what would be written", false)
		.option("--undo", "give back the values that were before --fix, and remove its file", false)
		.option("--root <dir>", "read and write below this directory instead of the machine's root", "/")
		.action(check);
}

async function check(flags: CheckFlags): Promise<void> {
	if (flags.beforeInstall && !flags.kubernetes)
		throw new CliError(
			exitCodes.usage,
			"--before-install goes with --kubernetes",
			"keepmesh check --kubernetes --before-install",
		);
	if (flags.kubernetes || process.env.KEEPMESH_CALLED_AS === "kubectl keepmesh") return await checkKubernetes(flags);
	if (flags.fix && flags.undo)
		throw new CliError(exitCodes.usage, "--fix and --undo are opposites", "keepmesh check --fix");
	if (flags.loosen.length > 0 && !flags.fix)
		throw new CliError(exitCodes.usage, "--loosen goes with --fix", "keepmesh check --fix --loosen NAME");
	const root = new MachineRoot(flags.root);
	if (root.read("proc/meminfo") === undefined)
		throw new CliError(exitCodes.noInput, `${root.path("proc/meminfo")} cannot be read`, "mount -t proc proc /proc");
	const wanted = new Set<Role>(flags.for === "all" ? roles : [flags.for]);
	const facts = await readHostFacts(root, new Set(flags.with), findPrograms());
	const findings = checkHost(facts, wanted);
	if (flags.undo) undoFix(root, facts, flags);
	else if (flags.fix) fixHost(root, facts, findings, flags);
	else {
		await printFindings(findings, flags.output, flags.all);
		finish(findings, flags);
	}
}

function finish(findings: readonly Finding[], flags: CheckFlags): void {
	const { must } = countLevels(findings);
	const fixable = findings.filter(({ level, fix }) => fix && (level === "must" || level === "should")).length;
	const again = `keepmesh check${flags.for === "all" ? "" : ` --for ${flags.for}`}`;
	if (must > 0) {
		const next = fixable > 0 ? `${again} --fix --dry-run (${counted(fixable, "setting")})` : `${again} -o wide`;
		throw new CliError(exitCodes.failure, summaryOf(findings), next);
	}
	say(summaryOf(findings));
	if (fixable > 0) say(`next: ${again} --fix --dry-run (${counted(fixable, "setting")})`);
}
