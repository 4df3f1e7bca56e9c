import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Problem } from "./problem.ts";
import { readResourceFile } from "./read-resources.ts";
import { renderProblems } from "./render-problems.ts";

const text = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: reviews
spec:
  hosts: [reviews]
  http:
  - match:
    - headers:
        x-user: {exact: 7}
    route:
    - destination: {host: reviews, subst: v1}
      weight: ten
    mirrorPercent: 5
`;

describe("renderProblems", () => {
	it("prints place, severity, resource, path, message and hint", () => {
		const { problems } = readResourceFile("mesh/reviews.yaml", text);
		const conflict: Problem = {
			severity: "warning",
			origin: { file: "mesh/b.yaml", line: 1, column: 1 },
			resource: "Namespace prod",
			path: "",
			message: "is odd",
			hint: "",
			code: "IST0001",
		};
		assert.equal(
			renderProblems([...problems, conflict], { colour: false }),
			`mesh/reviews.yaml:10:18  error  VirtualService default/reviews  spec.http[0].match[0].headers["x-user"].exact
  must be a text, found 7
  hint: put it in quotes: "7"
mesh/reviews.yaml:12:36  error  VirtualService default/reviews  spec.http[0].route[0].destination.subst
  there is no field subst here
  hint: did you mean subset?
mesh/reviews.yaml:13:7  error  VirtualService default/reviews  spec.http[0].route[0].weight
  must be a whole number from 0, found "ten"
mesh/b.yaml:1:1  warning  Namespace prod
  is odd [IST0001]
3 errors, 1 warning
`,
		);
	});

	it("says when there are none", () => {
		assert.equal(renderProblems([], { colour: true }), "no problems\n");
	});

	it("colours the severity, and lets no control character of a file through", () => {
		const { problems } = readResourceFile(
			"a.yaml",
			'apiVersion: v1\nkind: Service\nmetadata: {name: "\\e[2Ja"}\nspec: {ports: [{port: 80}]}\n',
		);
		const rendered = renderProblems(problems, { colour: true });
		assert.ok(rendered.includes("\u001b[31merror\u001b[0m"));
		assert.ok(!rendered.includes("\u001b[2J"));
	});
});
