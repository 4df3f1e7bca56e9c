// Whatever text stands in whatever field of a networking resource that is accepted, Envoy must take what is generated: it
// refuses a whole route table, or cluster, for one bad text, and all others in it would stay as they were.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aProxy, applied } from "../model/model.testing.ts";
import type { AnyObject } from "../resources/config-object.ts";
import { readObject } from "../resources/read-object.ts";
import { applyChanges, emptySnapshot } from "../snapshot/snapshot.ts";
import { viewFor } from "../snapshot/view-for.ts";
import { type TypeUrl, typeUrls } from "../xds/resource.ts";
import { envoyRefuses } from "./envoy-validates.testing.ts";
import { generateProxyConfig } from "./generate-proxy-config.ts";
import { networkingSamples } from "./networking-samples.testing.ts";
import { oddTexts, textPlaces, withText } from "./odd-texts.testing.ts";

const proxies = [
	aProxy("client", { workloadCertificate: true }),
	aProxy("gw", { type: "router", labels: { istio: "ingress" }, workloadCertificate: true }),
];

interface Case {
	readonly label: string;
	readonly objects: readonly AnyObject[];
}

function read(kind: string, name: string, spec: unknown): AnyObject | undefined {
	const document = { apiVersion: "networking.istio.io/v1", kind, metadata: { name }, spec };
	return readObject(document, { namespace: "default" }, { file: "t.yaml", line: 1, column: 1 }).object;
}

/** One document for each place and text, in turns: each place gets every `step`th text, beginning at another one. */
function accepted(kind: string, step: number): readonly Case[] {
	const make = networkingSamples[kind];
	assert.ok(make);
	let k = 0;
	let turn = 0;
	return make(0).flatMap((sample, index) =>
		textPlaces(sample).flatMap((place) => {
			turn++;
			return oddTexts.flatMap((text, at): readonly Case[] => {
				if ((at + turn) % step !== 0) return [];
				k++;
				const object = read(kind, `n${k}`, withText(make(k)[index], place, text));
				if (!object) return [];
				const host = read("ServiceEntry", `s${k}`, {
					hosts: [`h${k}.example.com`],
					ports: [
						{ number: 80, name: "http", protocol: "HTTP" },
						{ number: 443, name: "tls", protocol: "TLS" },
					],
					resolution: "STATIC",
					endpoints: [{ address: "10.1.1.1", labels: { a: "b" } }],
				});
				const label = `${kind} ${place.path.join(".")} = ${JSON.stringify(text).slice(0, 60)}`;
				return [{ label, objects: host ? [host, object] : [object] }];
			});
		}),
	);
}

function refusal(cases: readonly Case[]): string {
	const { snapshot } = applyChanges(emptySnapshot(), applied(...cases.flatMap(({ objects }) => objects)));
	for (const proxy of proxies) {
		const config = generateProxyConfig(proxy, viewFor(snapshot, proxy));
		const of = (typeUrl: TypeUrl) => (config.get(typeUrl)?.parts ?? []).flatMap((part) => [...part.resources.values()]);
		const refused = envoyRefuses({
			clusters: of(typeUrls.cluster),
			listeners: of(typeUrls.listener),
			routes: of(typeUrls.route),
		});
		if (refused) return refused;
	}
	return "";
}

/** The first of them that is refused. */
function culprit(cases: readonly Case[]): string {
	if (cases.length < 2) return `${cases[0]?.label}: ${refusal(cases).slice(-400)}`;
	const half = cases.slice(0, cases.length / 2);
	return culprit(refusal(half) ? half : cases.slice(cases.length / 2));
}

describe("Envoy", () => {
	for (const [kind, step] of Object.entries({ VirtualService: 9, DestinationRule: 5, Gateway: 5, ServiceEntry: 3 }))
		it(`takes every text in every field of a ${kind} that is accepted`, () => {
			const cases = accepted(kind, step);
			assert.ok(cases.length > 300, `${cases.length} accepted`);
			if (refusal(cases) !== "") assert.fail(culprit(cases));
		});
});
