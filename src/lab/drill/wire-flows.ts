// What a pod's connections carry on the wire: TLS, or something else. In: IPv4 packets, as its interface has them. Out: how many
// connections began within TLS, and those that did not, either way.

export interface WireReport {
	/** Directions of connections whose first bytes were a record of TLS. */
	readonly encrypted: number;
	/** And whose first bytes were not; the first of them in words. */
	readonly plaintext: number;
	readonly examples: readonly string[];
}

const tcp = 6;
const synFlag = 0x02;
const mostExamples = 5;
/** ChangeCipherSpec to ApplicationData; RFC 8446, section 5.1. */
const isTlsRecord = (payload: Buffer): boolean =>
	(payload[0] ?? 0) >= 20 && (payload[0] ?? 0) <= 23 && (payload.length < 2 || payload[1] === 3);

export class WireFlows {
	readonly #ignored: ReadonlySet<string>;
	readonly #port: number | undefined;
	/** Directions of connections that have begun and not sent anything. */
	readonly #silent = new Set<string>();
	readonly #examples: string[] = [];
	#encrypted = 0;
	#plaintext = 0;

	/** What comes from an address of `ignored` is not counted; what goes there is. `port`: connections of others do not count. */
	constructor(ignored: Iterable<string> = [], port?: number) {
		this.#ignored = new Set(ignored);
		this.#port = port;
	}

	/** From the IP header on; the packet may be cut off after its first bytes. */
	take(packet: Buffer): void {
		if (packet.length < 40 || packet.readUInt8(0) >> 4 !== 4 || packet[9] !== tcp) return;
		const ipBytes = (packet.readUInt8(0) & 0xf) * 4;
		if (packet.length < ipBytes + 20) return;
		const ports = [packet.readUInt16BE(ipBytes), packet.readUInt16BE(ipBytes + 2)];
		if (this.#port !== undefined && !ports.includes(this.#port)) return;
		const from = packet.subarray(12, 16).join(".");
		const to = packet.subarray(16, 20).join(".");
		const flow = `${from}:${ports[0]} to ${to}:${ports[1]}`;
		if (packet.readUInt8(ipBytes + 13) & synFlag) {
			if (!this.#ignored.has(from)) this.#silent.add(flow);
			return;
		}
		const headBytes = ipBytes + (packet.readUInt8(ipBytes + 12) >> 4) * 4;
		const payload = packet.subarray(headBytes, packet.readUInt16BE(2) || packet.length);
		if (payload.length === 0 || !this.#silent.delete(flow)) return;
		if (isTlsRecord(payload)) {
			this.#encrypted++;
			return;
		}
		this.#plaintext++;
		const text = payload
			.subarray(0, 24)
			.toString("latin1")
			.replaceAll(/[^ -~]/g, ".");
		if (this.#examples.length < mostExamples) this.#examples.push(`${flow}: ${text}`);
	}

	report(): WireReport {
		return { encrypted: this.#encrypted, plaintext: this.#plaintext, examples: this.#examples };
	}
}
