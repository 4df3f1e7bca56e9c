// How a command fails: an exit code of sysexits.h, one sentence, and the next thing to type.

export const exitCodes = {
	ok: 0,
	failure: 1,
	/** The command line is wrong. */
	usage: 64,
	/** What was read is wrong. */
	data: 65,
	/** A file that was named is not there. */
	noInput: 66,
	/** Something that must be there is not: a control plane, a lab. */
	unavailable: 69,
	/** Not allowed. */
	noPermission: 77,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

export class CliError extends Error {
	readonly exitCode: ExitCode;
	/** The next command to type. */
	readonly next: string;

	constructor(exitCode: ExitCode, message: string, next: string) {
		super(message);
		this.exitCode = exitCode;
		this.next = next;
	}
}
