import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fullName, imagesIn } from "./mapped-images.ts";

describe("images of a file of resources", () => {
	it("are found in all documents and all kinds of containers, each once", () => {
		const text = `kind: Deployment
spec: {template: {spec: {initContainers: [{image: b/x:1}], containers: [{image: "a/y:2"}, {image: a/y:2}]}}}
---
kind: Pod
spec: {containers: [{name: image, image: c}]}
`;
		assert.deepEqual(imagesIn(text), ["a/y:2", "b/x:1", "c"]);
	});

	it("have the names that container runtimes know them by", () => {
		assert.equal(fullName("curl:8"), "docker.io/library/curl:8");
		assert.equal(fullName("keepmesh/reviews:1"), "docker.io/keepmesh/reviews:1");
		assert.equal(fullName("registry.test/release/reviews:1"), "registry.test/release/reviews:1");
		assert.equal(fullName("localhost:5000/reviews"), "localhost:5000/reviews");
	});
});
