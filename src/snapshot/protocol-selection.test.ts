import assert from "node:assert/strict";
import { it } from "node:test";
import { protocolOfServicePort } from "./protocol-selection.ts";

const cases: readonly (readonly [string, Parameters<typeof protocolOfServicePort>[0], string])[] = [
	["appProtocol goes before the name", { port: 80, name: "tcp-x", appProtocol: "http2" }, "HTTP2"],
	["appProtocol kubernetes.io/h2c is HTTP/2", { port: 80, appProtocol: "kubernetes.io/h2c" }, "HTTP2"],
	["appProtocol kubernetes.io/ws is HTTP", { port: 80, appProtocol: "kubernetes.io/ws" }, "HTTP"],
	["appProtocol kubernetes.io/wss is HTTPS", { port: 80, appProtocol: "kubernetes.io/wss" }, "HTTPS"],
	[
		"an appProtocol unknown here is sniffed, whatever the name says",
		{ port: 80, name: "http", appProtocol: "x" },
		"AUTO",
	],
	["the name counts up to its first dash", { port: 80, name: "http-admin" }, "HTTP"],
	["the whole name may be the protocol", { port: 80, name: "redis" }, "REDIS"],
	["grpc-web keeps its dash", { port: 80, name: "grpc-web-ui" }, "GRPC-WEB"],
	["a name in capitals counts too", { port: 80, name: "GRPC-x" }, "GRPC"],
	["a name that merely starts like a protocol says nothing", { port: 80, name: "httpbin" }, "AUTO"],
	["without a name the proxy sniffs", { port: 80 }, "AUTO"],
	["MySQL's port speaks first", { port: 3306, name: "db" }, "TCP"],
	["SMTP's port speaks first", { port: 25 }, "TCP"],
	["MongoDB's port speaks first", { port: 27017 }, "TCP"],
	["DNS over TCP", { port: 53 }, "TCP"],
	["a declared protocol goes before the well-known number", { port: 3306, name: "http" }, "HTTP"],
	["UDP stays out of the mesh", { port: 53, protocol: "UDP", name: "dns" }, "UDP"],
	["an object's own property names are no protocols", { port: 80, name: "constructor" }, "AUTO"],
];

for (const [name, port, expected] of cases) it(name, () => assert.equal(protocolOfServicePort(port), expected));
