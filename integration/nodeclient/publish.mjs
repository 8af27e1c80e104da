// Publishes one job with a NATS client that is not nats.go and waits for its event twice: as a core subscriber on
// push.results and as a JetStream consumer on PUSH_RESULTS. Prints what it saw as JSON, one line per step.
//
//   NATS_URL=nats://127.0.0.1:4222 node publish.mjs [--app default] [--timeout 60]
//
// Exit codes: 0 both copies of the event came, are the same and say that the one recipient was sent; 1 anything else;
// 2 usage; 69 no NATS server or no Volley streams on it.

import { randomBytes } from "node:crypto";
import { parseArgs } from "node:util";

import { AckPolicy, connect, DeliverPolicy, headers, JSONCodec, StringCodec } from "nats";

const EXIT_FAULT = 1;
const EXIT_USAGE = 2;
const EXIT_UNAVAILABLE = 69;

// Stop carries the exit code to the one place that sets it, so that connections are closed on every way out.
class Stop extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

function options() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        app: { type: "string", default: "default" },
        timeout: { type: "string", default: "60" },
      },
    }));
  } catch (err) {
    throw new Stop(EXIT_USAGE, `${err.message}; usage: publish.mjs [--app NAME] [--timeout SECONDS]`);
  }
  const seconds = Number(values.timeout);
  if (!(seconds > 0)) {
    throw new Stop(EXIT_USAGE, `--timeout must be a number of seconds above 0, not "${values.timeout}"`);
  }
  return { app: values.app, seconds, url: process.env.NATS_URL || "nats://127.0.0.1:4222" };
}

const say = (step, fields) => console.log(JSON.stringify({ step, ...fields }));

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// streamsReady waits for the streams: a worker opens its port a moment before they exist.
async function streamsReady(manager, deadline) {
  for (const stream of ["PUSH_JOBS", "PUSH_RESULTS"]) {
    for (;;) {
      try {
        await manager.streams.info(stream);
        break;
      } catch (err) {
        if (Date.now() > deadline) {
          throw new Stop(EXIT_UNAVAILABLE, `stream ${stream} did not appear (${err.message}); start a worker on this server, it creates the streams`);
        }
        await pause(100);
      }
    }
  }
}

// coreEvent answers with the first event of the job that a plain subscription sees.
async function coreEvent(subscription, id) {
  for await (const msg of subscription) {
    const event = JSONCodec().decode(msg.data);
    if (event.job === id) {
      return { subject: msg.subject, stored_subject: msg.headers?.get("Nats-Subject"), text: StringCodec().decode(msg.data), event };
    }
  }
  throw new Stop(EXIT_FAULT, "the subscription on push.results ended without the event");
}

// storedEvent answers with the first event of the job that PUSH_RESULTS holds, whenever it was stored.
async function storedEvent(jetstream, manager, app, id, deadline) {
  const { name } = await manager.consumers.add("PUSH_RESULTS", {
    filter_subject: `push.results.apns.${app}.${id}.*.*`,
    deliver_policy: DeliverPolicy.All,
    ack_policy: AckPolicy.Explicit,
    inactive_threshold: 60e9, // nanoseconds; the server removes the consumer when we are gone
  });
  const consumer = await jetstream.consumers.get("PUSH_RESULTS", name);
  while (Date.now() < deadline) {
    const msg = await consumer.next({ expires: Math.max(1000, Math.min(5000, deadline - Date.now())) });
    if (msg) {
      await msg.ackAck();
      return { subject: msg.subject, text: StringCodec().decode(msg.data), event: JSONCodec().decode(msg.data) };
    }
  }
  throw new Stop(EXIT_FAULT, "no event of the job in PUSH_RESULTS before the deadline");
}

function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Stop(EXIT_FAULT, `${what}: nothing within ${ms / 1000} s`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

function check(id, core, stored) {
  const faults = [];
  if (core.text !== stored.text) {
    faults.push("the core copy of the event and the stored one differ");
  }
  if (core.stored_subject !== stored.subject) {
    faults.push(`the core copy names ${core.stored_subject} as its subject, the stored one is on ${stored.subject}`);
  }
  const { event } = stored;
  const want = { v: 1, kind: "segment", platform: "apns", job: id, recipients: 1, sent: 1, done: true };
  for (const [key, value] of Object.entries(want)) {
    if (event[key] !== value) {
      faults.push(`${key} is ${JSON.stringify(event[key])}, not ${JSON.stringify(value)}`);
    }
  }
  if (faults.length > 0) {
    throw new Stop(EXIT_FAULT, `the event is not what was expected: ${faults.join("; ")}`);
  }
}

async function main() {
  const { app, seconds, url } = options();
  const deadline = Date.now() + seconds * 1000;

  let connection;
  try {
    connection = await connect({ servers: url.split(","), name: "volley-nodeclient", maxReconnectAttempts: 5 });
  } catch (err) {
    throw new Stop(EXIT_UNAVAILABLE, `no NATS server at ${url} (${err.message}); start one, or point NATS_URL to one`);
  }
  try {
    const manager = await connection.jetstreamManager();
    const jetstream = connection.jetstream();
    await streamsReady(manager, deadline);

    const id = `node-${Date.now().toString(36)}-${randomBytes(4).toString("hex")}`;
    const job = { id, app, ids: [randomBytes(32).toString("hex")], message: "Hello from Node", sound: "default" };

    // Subscribe before publishing: a core subscriber sees only what comes after it.
    const subscription = connection.subscribe("push.results");
    await connection.flush();
    const core = within(deadline - Date.now(), "core subscriber on push.results", coreEvent(subscription, id));
    core.catch(() => {}); // reported below; must not count as unhandled if publishing fails first

    const header = headers();
    header.set("Nats-Msg-Id", `apns.${app}.${id}`);
    const published = await jetstream.publish("push.apns", JSONCodec().encode(job), { headers: header });
    say("published", { job: id, stream: published.stream, sequence: published.seq, duplicate: published.duplicate });

    const [seenCore, seenStored] = await Promise.all([
      core,
      within(deadline - Date.now() + 1000, "JetStream consumer on PUSH_RESULTS", storedEvent(jetstream, manager, app, id, deadline)),
    ]);
    say("core", { subject: seenCore.subject, event: seenCore.event });
    say("jetstream", { subject: seenStored.subject, event: seenStored.event });
    check(id, seenCore, seenStored);
    say("ok", { job: id });
  } finally {
    await connection.close();
  }
}

try {
  await main();
} catch (err) {
  console.error(`publish.mjs: ${err.message}`);
  process.exitCode = err instanceof Stop ? err.code : EXIT_FAULT;
}
