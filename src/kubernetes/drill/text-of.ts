// The body of an HTTP message, as text.

import type { IncomingMessage } from "node:http";

export async function textOf(message: IncomingMessage): Promise<string> {
	let text = "";
	for await (const chunk of message.setEncoding("utf8")) text += chunk;
	return text;
}
