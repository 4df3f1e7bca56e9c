// The field tables against schemas that others keep: those of the npm package @kubernetes-models/istio, made from Istio's CRDs.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as istio from "@kubernetes-models/istio/networking.istio.io/v1";
import * as security from "@kubernetes-models/istio/security.istio.io/v1";
import { newFindings } from "../findings.ts";
import { lookUpKind } from "../kind-table.ts";
import { checkShape } from "./check-shape.ts";
import type { Shape, StructShape } from "./shape.ts";

/** Fields that newer versions of Istio have and the package does not. */
const newer = new Set(["zoneAwareLbSetting", "http2KeepAlive", "trustDomains", "notTrustDomains"]);

const models = {
	VirtualService: istio.VirtualService,
	DestinationRule: istio.DestinationRule,
	Gateway: istio.Gateway,
	ServiceEntry: istio.ServiceEntry,
	WorkloadEntry: istio.WorkloadEntry,
	Sidecar: istio.Sidecar,
	PeerAuthentication: security.PeerAuthentication,
	RequestAuthentication: security.RequestAuthentication,
	AuthorizationPolicy: security.AuthorizationPolicy,
};

type ModelKind = keyof typeof models;

/** Validates with the package; returns the paths of the errors, `/spec/http/0/route`. */
function packageErrors(kind: ModelKind, spec: unknown): readonly string[] {
	const model = new models[kind]({ metadata: { name: "a" } } as never) as unknown as {
		spec: unknown;
		validate(): void;
	};
	model.spec = spec;
	try {
		model.validate();
		return [];
	} catch (error) {
		const { errors } = error as { errors?: readonly { readonly instancePath: string }[] };
		if (!errors) throw error;
		return errors.map((item) => item.instancePath);
	}
}

function shapeOf(kind: ModelKind): StructShape {
	const found = lookUpKind(kind in security ? "security.istio.io/v1" : "networking.istio.io/v1", kind);
	assert.equal(found.type, "known");
	return found.type === "known" ? found.info.shape : assert.fail();
}

/** Names the package's validator asks for on an object at `path`, learnt by letting it look at an object that records. */
function fieldsInPackage(kind: ModelKind, path: readonly (string | number)[]): ReadonlySet<string> {
	const asked = new Set<string>();
	const recorder = new Proxy(
		{},
		{
			get: (_target, key) => {
				if (typeof key === "string") asked.add(key);
				return undefined;
			},
		},
	);
	let value: unknown = recorder;
	for (const key of path.toReversed()) value = typeof key === "number" ? [value] : { [key]: value };
	packageErrors(kind, value);
	return asked;
}

function* structsIn(
	shape: Shape,
	path: readonly (string | number)[] = [],
): Generator<readonly [readonly (string | number)[], StructShape]> {
	if (shape.type === "list") yield* structsIn(shape.of, [...path, 0]);
	if (shape.type === "map") yield* structsIn(shape.of, [...path, "x"]);
	if (shape.type !== "struct") return;
	yield [path, shape];
	for (const [key, field] of shape.fields) if (!newer.has(key)) yield* structsIn(field, [...path, key]);
}

describe("field tables", () => {
	for (const kind of Object.keys(models) as ModelKind[])
		it(`${kind} has the fields of Istio's schema, no more and no less`, () => {
			for (const [path, shape] of structsIn(shapeOf(kind))) {
				const theirs = [...fieldsInPackage(kind, path)].sort();
				const ours = [...shape.fields.keys()].filter((key) => !newer.has(key)).sort();
				assert.deepEqual(ours, theirs, `spec.${path.join(".")}`);
			}
		});

	/** A value of every type for a field: what one refuses for its type, the other must refuse as well. */
	const samples: readonly unknown[] = ["text", "10s", "300ms", 7, 1.5, -1, 70000, true, [], {}, ["a"], { a: "b" }];

	for (const kind of Object.keys(models) as ModelKind[])
		it(`${kind} refuses whatever Istio's schema refuses in a single field`, () => {
			for (const [path, shape] of structsIn(shapeOf(kind)))
				for (const key of shape.fields.keys()) {
					if (newer.has(key)) continue;
					for (const sample of samples) {
						const fieldPath = [...path, key];
						let value: unknown = sample;
						for (const step of fieldPath.toReversed()) value = typeof step === "number" ? [value] : { [step]: value };
						const pointer = `/spec/${fieldPath.join("/")}`;
						if (!packageErrors(kind, value).some((at) => at.startsWith(pointer))) continue;
						const findings = newFindings();
						checkShape(shapeOf(kind), value, ["spec"], findings);
						const mine = findings.all.filter((finding) => `/${finding.path.join("/")}`.startsWith(pointer));
						assert.ok(mine.length > 0, `${kind} ${pointer} = ${JSON.stringify(sample)}`);
					}
				}
		});
});
