// How a process without the command line's libraries says that it cannot run: as commands do, one sentence and the next thing to type.

/** Returns the code that it exits with (sysexits). */
export function failedProcess(code: number, because: string, next: string): number {
	console.error(`error: ${because}\nnext: ${next}`);
	return code;
}
