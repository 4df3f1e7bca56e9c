// Ctrl-C, or SIGTERM, while Helm works: Helm is to write down that it did not finish, so that the next one can go on.

import { CliError, exitCodes } from "../cli/cli-error.ts";

/** `run` gets a signal that aborts at the first one. Rejects with CliError if there was one and it did not finish all the same. */
export async function untilInterrupted<Result>(
	run: (interrupted: AbortSignal) => Promise<Result>,
	next: string,
): Promise<Result> {
	const controller = new AbortController();
	const stop = (): void => controller.abort();
	process.on("SIGINT", stop).on("SIGTERM", stop);
	try {
		return await run(controller.signal);
	} catch (error) {
		if (!controller.signal.aborted) throw error;
		throw new CliError(exitCodes.failure, "interrupted: what was done until now is there", next);
	} finally {
		process.off("SIGINT", stop).off("SIGTERM", stop);
	}
}
