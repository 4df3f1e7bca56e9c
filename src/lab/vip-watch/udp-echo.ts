// Program: answers UDP probes to an address, whether this machine holds it at the moment or not, with its node's letter.
// Arguments: LETTER ADDRESS PORT. On standard input: `mute` and `speak`; it ends with it.

import { BlockingLoop } from "../../kernel/linux/blocking-loop.ts";
import { makeThreadRealTime } from "../../kernel/linux/real-time-thread.ts";
import { onLines } from "./line-input.ts";
import { openProbeSocket } from "./probe-socket.ts";

const [letter = "?", address = "", port = ""] = process.argv.slice(2);
const loop = new BlockingLoop();
const socket = openProbeSocket(loop, { address, port: Number(port) }, (bytes, answer) => {
	if (muted) return;
	bytes.writeUInt8(letter.charCodeAt(0), 4);
	answer(bytes);
});
let muted = false;
onLines(
	loop,
	(line) => {
		muted = line === "mute";
	},
	() => loop.stop(),
);
makeThreadRealTime(60);
loop.run();
socket.close();
process.exit(0);
