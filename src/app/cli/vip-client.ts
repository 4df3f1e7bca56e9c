// Asks the vip process of this machine, over its Unix socket.

import { request } from "node:http";
import { join } from "node:path";
import { defaultVipState } from "../vip/default-state.ts";
import { CliError, exitCodes } from "./cli-error.ts";

/** Of the directory given to `vip run --state`. */
export interface VipPlace {
	readonly state: string;
}

/** Throws a CliError when nobody answers there, or what the process says against it. */
export async function askVip<Result>(place: VipPlace, method: "GET" | "POST", path: string): Promise<Result> {
	const socketPath = join(place.state, "vip.sock");
	const { code, text } = await new Promise<{ code: number; text: string }>((resolve, reject) => {
		const asked = request({ socketPath, method, path, timeout: 60_000 }, (response) => {
			const chunks: Buffer[] = [];
			response.on("data", (chunk: Buffer) => chunks.push(chunk));
			response.on("end", () =>
				resolve({ code: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
			);
		});
		asked.on("error", (error: NodeJS.ErrnoException) => reject(unreachable(error, socketPath)));
		asked.end();
	});
	const answer = JSON.parse(text) as Result & { readonly ok?: boolean; readonly because?: string };
	if (code === 200) return answer;
	throw new CliError(exitCodes.failure, answer.because ?? `the vip process answers ${code}`, "keepmesh vip status");
}

function unreachable(error: NodeJS.ErrnoException, socketPath: string): CliError {
	if (error.code === "EACCES")
		return new CliError(exitCodes.noPermission, `${socketPath} is for root only`, "sudo keepmesh vip status");
	const elsewhere = socketPath.startsWith(defaultVipState) ? ", or give --state DIR of the one that does" : "";
	return new CliError(
		exitCodes.unavailable,
		`no vip process answers on ${socketPath}`,
		`keepmesh vip run --keepalived-conf FILE${elsewhere}`,
	);
}
