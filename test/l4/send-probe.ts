// One probe after the other, over TCP or UDP, from the namespace that this runs in. In: a Probe. Out: what it met.

import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { type Answer, type Met, type Probe, summariseAnswers } from "./probe.ts";

const defaultTimeoutMs = 900;

export async function sendProbe(probe: Probe): Promise<Met> {
	const answers: Answer[] = [];
	const awaited = new Set(probe.until);
	while (answers.length < probe.tries) {
		const answer = await (probe.protocol === "tcp" ? askTcp(probe) : askUdp(probe));
		answers.push(answer);
		if (answer.type === "answered" && awaited.delete(answer.by) && awaited.size === 0) break;
		// Nobody answers the next one either, and silence takes long.
		if (answer.type === "silent") break;
	}
	return summariseAnswers(answers);
}

function askTcp({ address, port, from, timeoutMs = defaultTimeoutMs }: Probe): Promise<Answer> {
	return new Promise((resolve) => {
		const socket = connect({ host: address, port, ...(from === undefined ? {} : { localAddress: from }) });
		let text = "";
		const finish = (answer: Answer): void => {
			clearTimeout(timer);
			// A reset: thousands of probes would else wait in TIME_WAIT.
			socket.resetAndDestroy();
			resolve(answer);
		};
		const timer = setTimeout(() => finish({ type: "silent" }), timeoutMs);
		socket.on("data", (bytes) => {
			text += bytes;
			if (text.includes("\n")) finish(readAnswer(text));
		});
		socket.on("error", (error) => finish(failed(error)));
		socket.on("close", () => finish({ type: "error", code: "closed" }));
	});
}

function askUdp({ address, port, from, fromPort = 0, timeoutMs = defaultTimeoutMs }: Probe): Promise<Answer> {
	return new Promise((resolve) => {
		const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
		let isOver = false;
		const finish = (answer: Answer): void => {
			if (isOver) return;
			isOver = true;
			clearTimeout(timer);
			socket.close();
			resolve(answer);
		};
		const timer = setTimeout(() => finish({ type: "silent" }), timeoutMs);
		socket.on("message", (bytes) => finish(readAnswer(String(bytes))));
		socket.on("error", (error) => finish(failed(error)));
		// Connected, so that an ICMP error is heard.
		const ask = (): void =>
			// The types do not say so, but a connection that has no route fails here.
			socket.connect(port, address, (error?: NodeJS.ErrnoException | null) => {
				if (error) finish(failed(error));
				else socket.send("?");
			});
		if (from === undefined && fromPort === 0) ask();
		else socket.bind(fromPort, from, ask);
	});
}

function readAnswer(text: string): Answer {
	const [by = "", source = ""] = text.trim().split(" ");
	return { type: "answered", by, source };
}

function failed(error: NodeJS.ErrnoException): Answer {
	const code = error.code ?? error.message;
	return code === "ECONNREFUSED" ? { type: "refused" } : { type: "error", code };
}
