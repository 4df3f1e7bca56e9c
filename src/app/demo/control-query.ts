// Questions to the API of a lab's control planes, from outside their network.

import type { Lab } from "../../lab/lab.ts";
import { apiPort } from "../../lab/plan/lab-commands.ts";
import type { LabHost } from "../../lab/plan/lab-network.ts";
import { type HttpAnswer, type HttpCall, requestInNamespace } from "./namespace-request.ts";

/** From the client's namespace, which reaches every node. */
export function requestControl(client: LabHost, control: LabHost, path: string, call?: HttpCall): Promise<HttpAnswer> {
	return requestInNamespace({ netns: client.netns, host: control.address, port: apiPort }, path, call);
}

/** The answer's JSON; rejects on a status of 300 and more. */
export async function askControl<Answer>(lab: Lab, control: LabHost, method: string, path: string): Promise<Answer> {
	const { client } = await lab.status();
	const { status, text } = await requestControl(client, control, path, { method });
	if (status < 300) return JSON.parse(text) as Answer;
	throw new Error(`${control.name} answers ${status} to ${method} ${path}: ${text.slice(0, 300)}`);
}
