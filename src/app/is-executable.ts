// Whether this user may run a file. False where there is none.

import { accessSync, constants } from "node:fs";

export function isExecutable(path: string): boolean {
	try {
		accessSync(path, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}
