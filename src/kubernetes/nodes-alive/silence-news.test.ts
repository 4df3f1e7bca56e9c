import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SilenceNews } from "./silence-news.ts";

describe("that a machine is silent", () => {
	it("is news once, however often it is said and by whom, and again after it was heard", () => {
		const news = new SilenceNews();
		assert.equal(news.silent([]), false);
		assert.equal(news.silent(["n1"]), true);
		assert.deepEqual([news.silent(["n1"]), news.lost("n1")], [false, false]);
		assert.equal(news.silent(["n1", "n2"]), true);
		assert.equal(news.silent(["n2"]), false);
		assert.equal(news.silent(["n1", "n2"]), true);
		assert.deepEqual([news.lost("n9"), news.lost("n9")], [true, false]);
	});
});
