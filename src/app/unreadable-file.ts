// What is said of a file or directory that cannot be read.

import type { Problem } from "../resources/problem.ts";

export function unreadableFile(path: string): Problem {
	return {
		severity: "error",
		origin: { file: path, line: 1, column: 1 },
		resource: "",
		path: "",
		message: `${path} cannot be read`,
		hint: "give the path of a file that this user may read",
	};
}
