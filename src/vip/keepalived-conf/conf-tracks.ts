// track_interface, track_script, track_file, track_process and track_bfd of instances and groups: who is tracked, with which weight.

import { type BlockContext, type Directive, error, lines, warn } from "./block-reader.ts";
import type { Statement } from "./conf-tree.ts";

export type TrackKind = "interface" | "script" | "file" | "process" | "bfd";

export interface TrackDraft {
	readonly kind: TrackKind;
	readonly name: string;
	/** Absent: the tracked thing's own. */
	readonly weight?: number;
	readonly reverse?: boolean;
	readonly line: Statement;
}

export interface TracksDraft {
	readonly tracks: TrackDraft[];
}

/** `eth2 weight -5 reverse` */
export function tracks(kind: TrackKind): Directive<TracksDraft> {
	const limit = kind === "file" || kind === "process" ? 254 : 253;
	return lines((draft, line, context) => {
		const [name = "", ...options] = line.words;
		if (draft.tracks.some((track) => track.kind === kind && track.name === name)) {
			error(context, line, `${name} is tracked already: this line is passed over`, "take it out");
			return;
		}
		const weight = readWeight(options, limit, line, context);
		draft.tracks.push({ kind, name, line, ...weight });
	});
}

function readWeight(
	options: readonly string[],
	limit: number,
	line: Statement,
	context: BlockContext,
): { weight?: number; reverse?: boolean } {
	const [keyword, text, reverse] = options;
	if (keyword === undefined) return {};
	if (keyword !== "weight") {
		error(
			context,
			line,
			`${JSON.stringify(keyword)} is no option here; it is passed over`,
			"write NAME weight NUMBER [reverse]",
		);
		return {};
	}
	if (text === undefined) {
		error(context, line, "weight has no value; it is passed over", "write weight NUMBER");
		return {};
	}
	let weight = /^[+-]?\d+$/.test(text) ? Number(text) : Number.NaN;
	if (limit === 253 && Math.abs(weight) === 254) {
		warn(context, line, `weight ${text} is out of range: ${weight > 0 ? 253 : -253} is taken`, "write -253 to 253");
		weight = Math.sign(weight) * 253;
	}
	if (!(Math.abs(weight) <= limit)) {
		error(
			context,
			line,
			`weight ${JSON.stringify(text)} is not valid; it is passed over`,
			`write -${limit} to ${limit}`,
		);
		return {};
	}
	if (reverse === undefined) return { weight: weight + 0 };
	if (reverse === "reverse") return { weight: weight + 0, reverse: true };
	if (reverse === "noreverse" || reverse === "no_reverse") return { weight: weight + 0, reverse: false };
	error(
		context,
		line,
		`${JSON.stringify(reverse)} is no option of a weight; it is passed over`,
		"write reverse, or nothing",
	);
	return { weight: weight + 0 };
}

export const tracksTable = {
	track_interface: tracks("interface"),
	track_script: tracks("script"),
	track_file: tracks("file"),
	track_process: tracks("process"),
	track_bfd: tracks("bfd"),
};
