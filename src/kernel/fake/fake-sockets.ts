// The sockets of a fake host: what they send goes to the LAN, what the LAN delivers comes to their callbacks.

import type { Cancel } from "../../runtime/clock.ts";
import { authenticationHeaderProtocol, vrrpProtocol } from "../../vip/vrrp/advert.ts";
import type {
	AddressFamily,
	Failure,
	Opened,
	Outcome,
	UdpDatagram,
	UdpSocket,
	UdpSocketOptions,
	VrrpPacket,
	VrrpSocket,
	VrrpSocketOptions,
} from "../host-network.ts";
import type { FakeHost, FakeSocket } from "./fake-host.ts";
import type { Frame } from "./fake-lan.ts";

const ipHeaderBytes = 20;
type Keep = (socket: FakeSocket) => Cancel;

export function openFakeVrrpSocket(
	host: FakeHost,
	options: VrrpSocketOptions,
	onPacket: (packet: VrrpPacket) => void,
	keep: Keep,
): Opened<VrrpSocket> {
	const { transport, family } = options;
	const source = options.source ?? sourceOf(host, family);
	if (source === undefined) return { ok: false, because: "noAddress", message: `${options.interface} has none` };
	const protocol = options.authenticationHeader ? authenticationHeaderProtocol : vrrpProtocol;
	const close = keep({
		accepts: (frame) =>
			frame.protocol === protocol &&
			(transport.type === "multicast" ? frame.destination === transport.group : has(host, frame.destination)),
		receive: (frame) => onPacket({ ...frame, family, receivedUs: nowUs(host) }),
	});
	const send = (bytes: Uint8Array, to: string): Outcome => {
		const header = options.authenticationHeader ? ipHeaderBytes : 0;
		return sendFrame(host, options.interface, {
			from: host.name,
			source,
			destination: to,
			ttl: options.ttl ?? 255,
			protocol,
			payload: Uint8Array.from(bytes.subarray(header)),
			...(header > 0 && { ipHeader: Uint8Array.from(bytes.subarray(0, header)) }),
		});
	};
	return { ok: true, value: { source, send, close } };
}

export function openFakeUdpSocket(
	host: FakeHost,
	options: UdpSocketOptions,
	onDatagram: (datagram: UdpDatagram) => void,
	keep: Keep,
): Opened<UdpSocket> {
	const source = options.address ?? sourceOf(host, options.family) ?? "";
	const close = keep({
		accepts: (frame) =>
			frame.port?.destination === options.port && (has(host, frame.destination) || frame.destination === options.group),
		receive: (frame) => {
			const { source: from, port, payload: bytes } = frame;
			onDatagram({ source: from, port: port?.source ?? 0, bytes, receivedUs: nowUs(host) });
		},
	});
	const send = (bytes: Uint8Array, to: string, port: number): Outcome =>
		sendFrame(host, options.interface ?? "eth0", {
			from: host.name,
			source,
			destination: to,
			ttl: 64,
			protocol: 17,
			port: { source: options.port, destination: port },
			payload: Uint8Array.from(bytes),
		});
	return { ok: true, value: { port: options.port, send, close } };
}

export function interfaceDown(host: FakeHost, interfaceName: string): Failure | undefined {
	if (host.links.get(interfaceName)?.up) return undefined;
	return { ok: false, because: "interfaceDown", message: `${interfaceName} is down` };
}

function sendFrame(host: FakeHost, interfaceName: string, frame: Frame): Outcome {
	const failure = host.failureOf("send") ?? interfaceDown(host, interfaceName);
	if (failure) return failure;
	// Without a carrier it goes nowhere, and nobody says so.
	if (host.links.get(interfaceName)?.running) host.lan.deliver(frame);
	return { ok: true, changed: true };
}

const has = (host: FakeHost, address: string): boolean => host.addresses.some((one) => one.address === address);
const nowUs = (host: FakeHost): number => host.lan.clock.monotonicMs() * 1000;

function sourceOf(host: FakeHost, family: AddressFamily): string | undefined {
	return host.addresses.find(
		(one) => one.family === family && !one.owned && (family === "ipv4" || one.scope === "link"),
	)?.address;
}
