import fs from 'node:fs/promises';
import { Worker } from 'bullmq';
import Redis from 'ioredis';
import { analyse } from './model.js';

const connection = new Redis(process.env.REDIS_URL, { maxRetriesPerRequest: null });
const worker = new Worker('analyses', async (job) => {
  const { png, ...result } = await analyse(await fs.readFile(`${process.env.DATA}/${job.id}`));
  await fs.writeFile(`${process.env.DATA}/${job.id}.png`, png);
  return result;
}, { connection, concurrency: 2 });
await worker.waitUntilReady();
process.send('ready');
