// Services of layer 4 out of files: directories or files of Services, EndpointSlices and Pods, whose changes are followed.

import { readResourceFile } from "../../resources/read-resources.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { startFilesSource } from "../../sources/files/files-source.ts";
import type { OpenLayer4Source } from "./fed-layer4.ts";

export function fileServices(
	roots: readonly string[],
	{ clock, log }: { readonly clock: Clock; readonly log: Log },
): OpenLayer4Source {
	return ({ onChanges }) => {
		const source = startFilesSource(
			{ roots },
			{
				clock,
				read: (text, file) => readResourceFile(file, text),
				onChanges,
				onProblems: (problems) => {
					for (const { severity, origin, resource, path, message } of problems.slice(0, 50))
						log.warn(
							{ severity, file: origin.file, line: origin.line, resource, path, problem: message },
							"resource problem",
						);
				},
			},
		);
		return { ready: source.ready, close: () => source.close() };
	};
}
