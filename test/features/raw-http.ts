// Requests of exactly the bytes that a test gives, and an origin that says which bytes it got.

import { createServer, type Server, type Socket } from "node:net";

/** What came back for one request. */
export interface RawAnswer {
	/** 0: the connection ended without an answer. */
	readonly status: number;
	readonly body: string;
}

/** Answers every request with its head, as it came, in the body. Bodies of requests are not read. */
export function headOrigin(): Server {
	return createServer((socket) => {
		let got = "";
		socket.on("error", () => {});
		socket.on("data", (bytes: Buffer) => {
			got += bytes.toString("latin1");
			for (let end = got.indexOf("\r\n\r\n"); end >= 0; end = got.indexOf("\r\n\r\n")) {
				const head = Buffer.from(got.slice(0, end), "latin1");
				got = got.slice(end + 4);
				socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${head.length}\r\n\r\n`);
				socket.write(head);
			}
		});
	});
}

/** The path that the origin got. */
export function pathSeen(answer: RawAnswer): string {
	return answer.body.split("\r\n")[0]?.split(" ")[1] ?? "";
}

/** Sends the text (one byte for each character) and takes the first answer, which must have a length. */
export async function askRaw(socket: Socket, request: string): Promise<RawAnswer> {
	socket.write(Buffer.from(request, "latin1"));
	const text = await received(socket, (bytes) => {
		const all = bytes.toString("latin1");
		const end = all.indexOf("\r\n\r\n");
		const length = /\r\ncontent-length: (\d+)\r\n/i.exec(all)?.[1];
		return end >= 0 && all.length >= end + 4 + Number(length ?? 0);
	});
	const all = text.toString("latin1");
	const status = Number(/^HTTP\/1\.\d (\d{3})/.exec(all)?.[1] ?? 0);
	return { status, body: all.slice(all.indexOf("\r\n\r\n") + 4) };
}

/** HTTP/2 without the checks of a client library: header bytes are sent as they are. */
export async function askRawHttp2(
	socket: Socket,
	headers: readonly (readonly [name: string, value: string])[],
): Promise<RawAnswer> {
	const literal = (text: string) => [Buffer.from([text.length]), Buffer.from(text, "latin1")];
	const block = Buffer.concat(
		headers.flatMap(([name, value]) => [Buffer.from([0]), ...literal(name), ...literal(value)]),
	);
	const endOfStreamAndHeaders = 5;
	socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	socket.write(Buffer.concat([frame(4, 0, 0, Buffer.alloc(0)), frame(1, endOfStreamAndHeaders, 1, block)]));
	const bytes = await received(socket, (so) => framesOf(so).some(({ flags, stream }) => stream === 1 && flags & 1));
	const frames = framesOf(bytes);
	const head = frames.find(({ type }) => type === 1)?.payload;
	const body = frames.flatMap(({ type, payload }) => (type === 0 ? [payload] : []));
	// Envoy's first header is `:status`: index 8 of HPACK's static table means 200; others are not told apart.
	return { status: head ? (head[0] === 0x88 ? 200 : 400) : 0, body: Buffer.concat(body).toString("latin1") };
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
	const head = Buffer.alloc(9);
	head.writeUIntBE(payload.length, 0, 3);
	head.writeUInt8(type, 3);
	head.writeUInt8(flags, 4);
	head.writeUInt32BE(stream, 5);
	return Buffer.concat([head, payload]);
}

function framesOf(bytes: Buffer) {
	const frames: { type: number; flags: number; stream: number; payload: Buffer }[] = [];
	for (let at = 0; at + 9 <= bytes.length; ) {
		const end = at + 9 + bytes.readUIntBE(at, 3);
		if (end > bytes.length) break;
		const [type, flags] = [bytes.readUInt8(at + 3), bytes.readUInt8(at + 4)];
		frames.push({ type, flags, stream: bytes.readUInt32BE(at + 5), payload: bytes.subarray(at + 9, end) });
		at = end;
	}
	return frames;
}

/** All bytes until they are enough, or until the connection ends; closes it. */
function received(socket: Socket, enough: (bytes: Buffer) => unknown): Promise<Buffer> {
	return new Promise((resolve, reject) => {
		let bytes = Buffer.alloc(0);
		const timer = setTimeout(
			() => reject(new Error(`nothing more in 3 s after ${JSON.stringify(String(bytes))}`)),
			3000,
		);
		const end = () => {
			clearTimeout(timer);
			socket.destroy();
			resolve(bytes);
		};
		socket.on("error", () => {});
		socket.on("close", end);
		socket.on("data", (more: Buffer) => {
			bytes = Buffer.concat([bytes, more]);
			if (enough(bytes)) end();
		});
	});
}
