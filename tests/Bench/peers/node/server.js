// Express takes uploads, BullMQ hands them to one worker process a core, sharp decodes and encodes, onnxruntime-node infers.
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import express from 'express';
import { Queue, QueueEvents } from 'bullmq';
import Redis from 'ioredis';

const connect = () => new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
const queue = new Queue('analyses', { connection: connect(), defaultJobOptions: { attempts: 3, removeOnComplete: { age: 3600, count: 1000 } } });
const events = new QueueEvents('analyses', { connection: connect() });
events.setMaxListeners(0);
const app = express();

app.post('/analyses', express.raw({ type: () => true, limit: '20mb' }), async (request, response) => {
  const id = randomUUID();
  await fs.writeFile(path.join(process.env.DATA, id), request.body);
  const job = await queue.add('analyse', {}, { jobId: id });
  response.json({ id, ...(await job.waitUntilFinished(events)) });
});
app.get('/masks/:name', (request, response) => response.sendFile(path.join(process.env.DATA, path.basename(request.params.name))));

const workers = Array.from({ length: Number(process.env.WORKERS) }, () => fork(new URL('worker.js', import.meta.url)));
await Promise.all(workers.map((worker) => new Promise((ready, failed) => worker.once('message', ready).once('exit', failed))));
workers.forEach((worker) => worker.on('exit', (code) => process.exit(code ?? 1)));
await events.waitUntilReady();
app.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('ready'));
process.on('SIGTERM', () => {
  workers.forEach((worker) => worker.removeAllListeners('exit').kill());
  process.exit(0);
});
