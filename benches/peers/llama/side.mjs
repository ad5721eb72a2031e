// Decoding in llama.cpp: `node side.mjs MODEL.gguf THREADS`, driven by lines on stdin as `benches/peers/README.md` describes.
// A step is 64 greedy tokens after a prompt of 16, in a context of its own.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { getLlama } from "node-llama-cpp";

const WARM_UP = 2;
const NEW = 64;
const [, , modelPath, threadsWord] = process.argv;
const threads = Number(threadsWord);

function peak() {
  const line = readFileSync("/proc/self/status", "utf8").split("\n").find((line) => line.startsWith("VmHWM:"));
  return Number(line.split(/\s+/)[1]) / 1024;
}

const base = peak();
const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: "error" });
const model = await llama.loadModel({ modelPath, useMmap: true, defaultContextFlashAttention: false });
const prompt = Array.from({ length: 16 }, (_, i) => (i * 7919) % 50000);

async function step() {
  const context = await model.createContext({ contextSize: 256, threads: { ideal: threads, min: threads }, sequences: 1 });
  const sequence = context.getSequence();
  const began = performance.now();
  let count = 0;
  for await (const _ of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    count += 1;
    if (count === NEW) break;
  }
  const ms = performance.now() - began;
  await context.dispose();
  return [ms, count];
}

async function timed(steps) {
  const answer = { ms: [], losses: [] };
  for (let i = 0; i < steps; i++) {
    const [ms, count] = await step();
    answer.ms.push(ms);
    answer.losses.push(count);
  }
  return { ...answer, peak_rss_mb: peak() };
}

const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");
const version = `llama.cpp ${llama.llamaCppRelease?.release ?? ""} by node-llama-cpp`.replace("  ", " ");
say({ ready: true, version, base_rss_mb: base, ...(await timed(WARM_UP)) });
for await (const line of createInterface({ input: process.stdin })) {
  say(await timed(Number(line)));
}
process.exit(0);
