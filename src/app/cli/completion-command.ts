// keepmesh completion: a script that lets the shell complete commands, kinds and options.

import { Argument, Command } from "commander";
import { commandList } from "./command-list.ts";
import { getWords } from "./get-command.ts";
import { print } from "./terminal.ts";

export function completionCommand(): Command {
	return new Command("completion")
		.description("Prints a completion script. bash: source <(keepmesh completion bash)")
		.addArgument(new Argument("<shell>").choices(["bash", "zsh", "fish"]))
		.action(async (shell: "bash" | "zsh" | "fish") => {
			const words = await wordsOfCommands();
			if (shell === "bash") print(bashScript(words));
			else if (shell === "zsh")
				print(`#compdef keepmesh\nautoload -U +X bashcompinit && bashcompinit\n${bashScript(words)}`);
			else print(fishScript(words));
		});
}

/** What may follow each command: its options, subcommands and, where it takes one, kinds. */
async function wordsOfCommands(): Promise<ReadonlyMap<string, readonly string[]>> {
	const words = new Map<string, readonly string[]>();
	for (const entry of commandList) {
		const command = await entry.load().catch(() => undefined);
		const options = command?.options.flatMap((option) => (option.long ? [option.long] : [])) ?? [];
		const subcommands =
			command
				?.createHelp()
				.visibleCommands(command)
				.map((child) => child.name()) ?? [];
		const kinds = ["get", "describe", "delete"].includes(entry.name) ? getWords : [];
		const choices = command?.registeredArguments.flatMap((argument) => argument.argChoices ?? []) ?? [];
		words.set(entry.name, [...subcommands, ...kinds, ...choices, ...options, "--help"]);
	}
	return words;
}

function bashScript(words: ReadonlyMap<string, readonly string[]>): string {
	const cases = [...words].map(([name, list]) => `    ${name}) words="${list.join(" ")}" ;;`);
	return `_keepmesh() {
  local words current="\${COMP_WORDS[COMP_CWORD]}"
  case "\${COMP_WORDS[COMP_CWORD-1]}" in
    -f|--filename|--resources|--data) COMPREPLY=($(compgen -f -- "$current")); return ;;
  esac
  if [ "$COMP_CWORD" = 1 ]; then words="${[...words.keys()].join(" ")} help"
  else case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    *) words="" ;;
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _keepmesh keepmesh ./keepmesh`;
}

function fishScript(words: ReadonlyMap<string, readonly string[]>): string {
	const lines = ["complete -c keepmesh -f"];
	for (const entry of commandList) {
		const summary = entry.summary.replaceAll("'", "\\'");
		lines.push(`complete -c keepmesh -n __fish_use_subcommand -a ${entry.name} -d '${summary}'`);
	}
	for (const [name, list] of words) {
		for (const word of list) {
			const what = word.startsWith("--") ? `-l ${word.slice(2)}` : `-a ${word}`;
			lines.push(`complete -c keepmesh -n '__fish_seen_subcommand_from ${name}' ${what}`);
		}
	}
	return lines.join("\n");
}
